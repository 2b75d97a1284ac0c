import { newRequestId, RENEWAL_BATCH_MAX, SLOT_LEASE_MS } from '@gateway/protocol';
import { Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { type RunningServer, startRedis, waitFor } from '@gateway/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ADMISSION_MEMORY_MS, RELEASE_MEMORY_MS, SCOPE_MEMBERS_MAX } from '../src/limit-store.ts';
import { MESSAGES_PER_CALL_MAX, RedisLimitStore } from '../src/redis-limit-store.ts';
import { limitStoreContract } from './limit-store.contract.ts';
import { slotStoreContract } from './slot-store.contract.ts';

const logger = createLogger('rate-limiter', { level: 'silent' });
let server: RunningServer;

async function openStore(options?: { readonly slotLeaseMs: number }): Promise<RedisLimitStore> {
  const settings = { url: new Secret(server.url), password: undefined };
  const store = new RedisLimitStore(settings, logger, options);
  await waitFor(() => store.outage === undefined, { what: 'the connection to Redis' });
  return store;
}

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

limitStoreContract('RedisLimitStore', { open: openStore, openTwin: openStore });
slotStoreContract('RedisLimitStore', { open: openStore });

describe('RedisLimitStore', () => {
  let store: RedisLimitStore;
  let admin: Redis;

  beforeEach(async () => {
    store = await openStore();
    admin = new Redis(server.url);
    admin.on('error', () => {});
  });
  afterEach(async () => {
    admin.disconnect();
    await store[Symbol.asyncDispose]();
  });

  let scopes = 0;
  const reserve = (scope: string, { amount = 1000, windowSeconds = 60 } = {}) =>
    store.reserve({
      requestId: newRequestId(),
      limits: [{ scope, kind: 'requests', amount, windowSeconds }],
    });
  const newScope = () => {
    scopes += 1;
    return `key:redis-${scopes}`;
  };
  test('gives every key an end', async () => {
    await admin.flushall();
    const { limits } = await reserve('key:ends');
    const keys = await admin.keys('*');
    expect(keys).toHaveLength(2);
    const windowMs = await admin.pttl('rate-limit:{key:ends}:requests:60');
    expect(windowMs).toBeGreaterThan((limits[0]?.resetMs ?? 0) - 1_000);
    expect(windowMs).toBeLessThanOrEqual(62_000);
    const [memory = ''] = keys.filter((key) => key.includes(':request:'));
    expect(await admin.pttl(memory)).toBeLessThanOrEqual(ADMISSION_MEMORY_MS);
    expect(await admin.pttl(memory)).toBeGreaterThan(ADMISSION_MEMORY_MS / 2);
  });

  test('writes nothing for a refusal', async () => {
    await admin.flushall();
    const scope = newScope();
    await reserve(scope, { amount: 1 });
    const before = await admin.dbsize();
    expect((await reserve(scope, { amount: 1 })).allowed).toBe(false);
    expect(await admin.dbsize()).toBe(before);
    expect(await admin.hvals(`rate-limit:{${scope}}:requests:60`)).toEqual(['1']);
  });

  test('drops the slots that no longer count when it writes', async () => {
    const key = 'rate-limit:{key:old}:requests:60';
    await admin.hset(key, { 17: 900, 18: 900 });
    expect((await reserve('key:old', { amount: 1 })).allowed).toBe(true);
    expect(await admin.hlen(key)).toBe(1);
  });

  test('gives Redis the password and says why when there is none', async () => {
    await admin.config('SET', 'requirepass', 'of-the-test');
    const url = new Secret(server.url);
    const password = new Secret('of-the-test');
    await using allowed = new RedisLimitStore({ url, password }, logger);
    await using refused = new RedisLimitStore({ url, password: undefined }, logger);
    await waitFor(() => allowed.outage === undefined, { what: 'the connection with a password' });
    await waitFor(() => refused.outage?.includes('NOAUTH'), { what: 'the refusal' });
    await admin.config('SET', 'requirepass', '');
    await waitFor(() => refused.outage === undefined, { what: 'the connection without one' });
  });

  test('fails for the request alone whose keys hold something else', async () => {
    const [broken, whole] = [newScope(), newScope()];
    await admin.set(`rate-limit:{${broken}}:requests:60`, 'no window');
    const [failing, ...others] = [reserve(broken), reserve(whole), reserve(whole)];
    await expect(failing).rejects.toMatchObject({ code: 'limiter_unavailable' });
    const remaining = (await Promise.all(others)).map(({ limits }) => limits[0]?.remaining);
    expect(remaining).toEqual([999, 998]);
  });

  test('admits the amount over as many at once as one call takes, and one more', async () => {
    const scope = newScope();
    const amount = MESSAGES_PER_CALL_MAX + 1;
    const replies = await Promise.all(
      Array.from({ length: amount + 1 }, () => reserve(scope, { amount })),
    );
    expect(replies.map(({ allowed }) => allowed)).toEqual([...Array(amount).fill(true), false]);
    expect(replies.at(-1)?.retryAfterMs).toBeGreaterThan(50_000);
  });

  const slotsKey = (scope: string) => `rate-limit:{${scope}}:concurrency`;
  const takeSlot = (scope: string, requestId = newRequestId(), amount = 3) =>
    store.reserve({ requestId, limits: [{ scope, kind: 'concurrency', amount }] });

  test('gives slots an end, also those whose release alone is remembered', async () => {
    const [held, released] = [newScope(), newScope()];
    await takeSlot(held);
    expect(await admin.pttl(slotsKey(held))).toBeGreaterThan(SLOT_LEASE_MS);
    expect(await admin.pttl(slotsKey(held))).toBeLessThanOrEqual(SLOT_LEASE_MS + 1_000);
    await store.release({ requestId: newRequestId(), scopes: [released] });
    expect(await admin.pttl(slotsKey(released))).toBeGreaterThan(RELEASE_MEMORY_MS);
    expect(await admin.pttl(slotsKey(released))).toBeLessThanOrEqual(RELEASE_MEMORY_MS + 1_000);
    await store.release({ requestId: newRequestId(), scopes: [held] });
    expect(await admin.pttl(slotsKey(held))).toBeGreaterThan(RELEASE_MEMORY_MS + 1_000);
    const other = newScope();
    await store.renew([{ requestId: newRequestId(), scopes: [other] }]);
    expect(await admin.pttl(slotsKey(other))).toBeGreaterThan(SLOT_LEASE_MS);
  });

  test('drops what has lapsed when it writes', async () => {
    const scope = newScope();
    await admin.zadd(slotsKey(scope), 5, 'lapsed', -5, 'released');
    expect((await takeSlot(scope)).limits).toMatchObject([{ remaining: 2 }]);
    expect(await admin.zcard(slotsKey(scope))).toBe(1);
  });

  test('renews the largest batch at once', async () => {
    const [left, right] = [newScope(), newScope()];
    const held = Array.from({ length: RENEWAL_BATCH_MAX }, (_, index) => ({
      requestId: newRequestId(),
      scopes: index % 2 === 0 ? [left] : [left, right],
    }));
    await store.renew(held);
    expect(await admin.zcard(slotsKey(left))).toBe(RENEWAL_BATCH_MAX);
    expect(await admin.zcard(slotsKey(right))).toBe(RENEWAL_BATCH_MAX / 2);
  });

  test('remembers in one scope as much as the bound and not one more', async () => {
    const scope = newScope();
    const fill = `for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], 4e12 + i, i) end`;
    await admin.eval(fill, 1, slotsKey(scope), SCOPE_MEMBERS_MAX - 1);
    const [fits, known, tooMany] = [newRequestId(), '7', newRequestId()];
    const held = [fits, known, tooMany].map((requestId) => ({ requestId, scopes: [scope] }));
    await store.renew(held);
    expect(await admin.zscore(slotsKey(scope), fits)).not.toBeNull();
    expect(Number(await admin.zscore(slotsKey(scope), known))).toBeLessThan(4e12);
    expect(await admin.zscore(slotsKey(scope), tooMany)).toBeNull();
    await store.release({ requestId: tooMany, scopes: [scope] });
    expect(await admin.zscore(slotsKey(scope), tooMany)).toBeNull();
    await store.release({ requestId: fits, scopes: [scope] });
    expect(Number(await admin.zscore(slotsKey(scope), fits))).toBeLessThan(0);
    expect(await admin.zcard(slotsKey(scope))).toBe(SCOPE_MEMBERS_MAX);
  });
});
