/**
 * The store in memory and the one in Redis do the same over any sequence. Time passes in leaps that
 * keep well away from the ends of leases and memories: in memory on its clock, in Redis by moving
 * everything that is stored towards its end.
 */
import { newRequestId } from '@gateway/protocol';
import { Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { startRedis, waitFor } from '@gateway/testing';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { ADMISSION_MEMORY_MS } from '../src/limit-store.ts';
import { MemoryLimitStore } from '../src/memory-limit-store.ts';
import { RedisLimitStore } from '../src/redis-limit-store.ts';

const SEED = 20_260_401;
const MINUTE_MS = 60_000;
/** Two leaps are shorter and three are longer, each by minutes. */
const LEASE_MS = 50 * MINUTE_MS;
const LEAP_MS = 20 * MINUTE_MS;
const SCOPES = ['key:a', 'key:b'];
const DAY_SECONDS = 86_400;
/** A request is always of the same limits. */
const REQUESTS = [['key:a'], ['key:b'], ['key:a', 'key:b'], ['key:b', 'key:a']].flatMap((scopes) =>
  [false, true].map((windowed) => ({ requestId: newRequestId(), scopes, windowed })),
);

const request = fc.constantFrom(...REQUESTS);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ reserve: request }) },
  { weight: 3, arbitrary: fc.record({ release: request }) },
  {
    weight: 2,
    arbitrary: fc.record({ renew: fc.array(request, { minLength: 1, maxLength: 4 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ leap: true as const }) },
);

/** Lets time pass for what Redis holds. */
async function leap(admin: Redis): Promise<void> {
  for (const key of await admin.keys('rate-limit:*:concurrency')) {
    const members = (await admin.zrange(key, '0', '-1', 'WITHSCORES')) as string[];
    for (let index = 0; index < members.length; index += 2) {
      const score = Number(members[index + 1]);
      await admin.zincrby(key, String(score > 0 ? -LEAP_MS : LEAP_MS), members[index] ?? '');
    }
  }
  expect(LEAP_MS).toBeGreaterThan(ADMISSION_MEMORY_MS);
  const remembered = await admin.keys('rate-limit:*:request:*');
  if (remembered.length > 0) await admin.del(...remembered);
}

test('memory and Redis agree over any sequence, and every slot returns', async () => {
  await using server = await startRedis();
  const admin = new Redis(server.url);
  const settings = { url: new Secret(server.url), password: undefined };
  const logger = createLogger('rate-limiter', { level: 'silent' });
  await using redis = new RedisLimitStore(settings, logger, { slotLeaseMs: LEASE_MS });
  await waitFor(() => redis.outage === undefined, { what: 'the connection to Redis' });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      await admin.flushall();
      let nowMs = Date.now();
      await using memory = new MemoryLimitStore({ nowMs: () => nowMs, slotLeaseMs: LEASE_MS });
      const both = [memory, redis];
      const reserve = async ({ requestId, scopes, windowed }: (typeof REQUESTS)[number]) => {
        const limits = scopes.flatMap((scope) => [
          ...(windowed
            ? [{ scope, kind: 'requests' as const, amount: 8, windowSeconds: 31 * DAY_SECONDS }]
            : []),
          { scope, kind: 'concurrency' as const, amount: 2 },
        ]);
        const replies = await Promise.all(both.map((each) => each.reserve({ requestId, limits })));
        const [mine, theirs] = replies.map(({ allowed, refusedBy, limits: states }) => ({
          allowed,
          refusedBy,
          remaining: states.map(({ remaining }) => remaining),
        }));
        expect(theirs).toEqual(mine);
        return mine;
      };
      for (const each of steps) {
        if ('reserve' in each) {
          await reserve(each.reserve);
        } else if ('release' in each) {
          await Promise.all(both.map((store) => store.release(each.release)));
        } else if ('renew' in each) {
          await Promise.all(both.map((store) => store.renew(each.renew)));
        } else {
          nowMs += LEAP_MS;
          await leap(admin);
        }
      }
      for (const each of REQUESTS) {
        await Promise.all(both.map((store) => store.release(each)));
      }
      const last = await reserve({ requestId: newRequestId(), scopes: SCOPES, windowed: false });
      expect(last).toEqual({ allowed: true, refusedBy: undefined, remaining: [1, 1] });
    }),
    { seed: SEED, numRuns: 150 },
  );
  admin.disconnect();
});
