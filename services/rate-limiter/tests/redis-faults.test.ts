/** What the limiter does while its Redis is in trouble: it never admits, it says so soon, it returns. */
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { newRequestId } from '@gateway/protocol';
import { Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { type RunningServer, startFaultProxy, startRedis, waitFor } from '@gateway/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { releaseHandler, renewHandler } from '../src/hold-slots.ts';
import { MESSAGES_IN_FLIGHT_MAX } from '../src/redis-connection.ts';
import { RedisLimitStore } from '../src/redis-limit-store.ts';

const logger = createLogger('rate-limiter', { level: 'silent' });
let server: RunningServer;

async function openStore(url = server.url): Promise<RedisLimitStore> {
  const store = new RedisLimitStore({ url: new Secret(url), password: undefined }, logger);
  await waitFor(() => store.outage === undefined, { what: 'the connection to Redis' });
  return store;
}

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

describe('the limiter', () => {
  let store: RedisLimitStore;
  let admin: Redis;

  beforeEach(async () => {
    store = await openStore();
    admin = new Redis(server.url);
    admin.on('error', () => {});
    await waitFor(() => admin.status === 'ready', { what: 'the connection of the test' });
  });
  afterEach(async () => {
    admin.disconnect();
    await store[Symbol.asyncDispose]();
  });

  let scopes = 0;
  const newScope = () => {
    scopes += 1;
    return `key:faults-${scopes}`;
  };
  const reserve = (scope: string, amount = 1000) =>
    store.reserve({
      requestId: newRequestId(),
      limits: [{ scope, kind: 'requests', amount, windowSeconds: 60 }],
    });
  const takeSlot = (scope: string, requestId = newRequestId(), amount = 1) =>
    store.reserve({ requestId, limits: [{ scope, kind: 'concurrency', amount }] });
  const expectRefusal = async (withinMs: number) => {
    const startedMs = performance.now();
    await expect(reserve(newScope())).rejects.toMatchObject({ code: 'limiter_unavailable' });
    expect(performance.now() - startedMs).toBeLessThan(withinMs);
  };
  /** Fails as it must, within the patience of the caller. */
  const expectUnavailable = () => expectRefusal(500);
  /** Fails without asking Redis. */
  const expectUnavailableAtOnce = () => expectRefusal(100);
  /** Works again without being told, soon after Redis does. */
  const expectRecovery = async () => {
    const startedMs = performance.now();
    await waitFor(() => reserve(newScope()), { what: 'a reservation', timeoutMs: 5_000 });
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(store.outage).toBeUndefined();
  };

  test('is unavailable while Redis is down, and starts anew when data is lost', async () => {
    const scope = newScope();
    const requestId = newRequestId();
    await reserve(scope, 1);
    await takeSlot(scope, requestId);
    await server.kill();
    await expectUnavailable();
    await waitFor(() => store.outage !== undefined, { what: 'the outage to be known' });
    await expectUnavailableAtOnce();
    await server.restart();
    await expectRecovery();
    await admin.flushall();
    const { allowed, limits } = await reserve(scope, 1);
    expect({ allowed, limits }).toMatchObject({ allowed: true, limits: [{ remaining: 0 }] });
    await store.renew([{ requestId, scopes: [scope] }]);
    expect((await takeSlot(scope)).allowed).toBe(false);
  });

  test('is unavailable while Redis is silent, soon at once, and recovers', async () => {
    server.pause();
    try {
      await expectUnavailable();
      await waitFor(() => store.outage !== undefined, { what: 'the connection to be given up' });
      await expectUnavailableAtOnce();
    } finally {
      server.resume();
    }
    await expectRecovery();
  });

  test.for([1_000, 300])(
    'is unavailable while Redis is %i ms late, soon at once',
    async (latencyMs) => {
      await using proxy = await startFaultProxy({ targetPort: server.port });
      await store[Symbol.asyncDispose]();
      store = await openStore(`redis://127.0.0.1:${proxy.port}`);
      proxy.setToxics('downstream', { latencyMs });
      await waitFor(
        async () => {
          await expectUnavailable();
          return store.outage !== undefined;
        },
        { what: 'the connection to be given up' },
      );
      await expectUnavailableAtOnce();
      proxy.setToxics('downstream', {});
      await expectRecovery();
    },
  );

  test('is unavailable while its connections are refused', async () => {
    await using proxy = await startFaultProxy({ targetPort: server.port });
    await store[Symbol.asyncDispose]();
    store = await openStore(`redis://127.0.0.1:${proxy.port}`);
    await proxy.down();
    await waitFor(() => store.outage !== undefined, { what: 'the outage to be known' });
    await expectUnavailableAtOnce();
    const held = { requestId: newRequestId(), scopes: [newScope()] };
    await expect(releaseHandler(store)({ value: held })).resolves.toBeUndefined();
    await expect(renewHandler(store)({ value: { held: [held] } })).resolves.toBeUndefined();
    await proxy.up();
    await expectRecovery();
  });

  test('lets as many messages wait as the bound and refuses one more at once', async () => {
    server.pause();
    try {
      const waiting = Array.from({ length: MESSAGES_IN_FLIGHT_MAX }, () =>
        reserve(newScope()).catch((error: unknown) => error),
      );
      await expect(reserve(newScope())).rejects.toMatchObject({
        code: 'limiter_unavailable',
        facts: { detail: `${MESSAGES_IN_FLIGHT_MAX} messages wait for Redis already` },
      });
      const ends = await Promise.all(waiting);
      const details = ends.map((error) => (error as { facts: { detail: string } }).facts.detail);
      expect(details.filter((detail) => detail.includes('wait for Redis already'))).toEqual([]);
    } finally {
      server.resume();
    }
    await expectRecovery();
  });

  test('is unavailable while Redis is out of memory, also for a full window', async () => {
    const scope = newScope();
    await reserve(scope, 1);
    await admin.config('SET', 'maxmemory', '1');
    await expectUnavailable();
    const reservation = reserve(scope, 1);
    await expect(reservation).rejects.toMatchObject({ code: 'limiter_unavailable' });
    await admin.config('SET', 'maxmemory', '0');
    await expectRecovery();
  });

  test('renews and releases slots also while Redis is out of memory', async () => {
    const [kept, left] = [newScope(), newScope()];
    const [renewed, released] = [newRequestId(), newRequestId()];
    await takeSlot(kept, renewed);
    await takeSlot(left, released);
    await admin.config('SET', 'maxmemory', '1');
    await store.renew([{ requestId: renewed, scopes: [kept] }]);
    await store.release({ requestId: released, scopes: [left] });
    await admin.config('SET', 'maxmemory', '0');
    expect((await takeSlot(kept)).allowed).toBe(false);
    expect((await takeSlot(left)).allowed).toBe(true);
  });

  test('is unavailable while Redis is a replica', async () => {
    await admin.replicaof('127.0.0.1', '1');
    await expectUnavailable();
    await expectUnavailable();
    const renewal = store.renew([{ requestId: newRequestId(), scopes: [newScope()] }]);
    await expect(renewal).rejects.toMatchObject({ code: 'limiter_unavailable' });
    await admin.replicaof('NO', 'ONE');
    await expectRecovery();
  });

  test('is unavailable while Redis loads its data', async () => {
    await using primary = await startRedis();
    const source = new Redis(primary.url);
    const fill = `for i = 1, 200 do redis.call('SET', i, string.rep('x', 4096)) end`;
    await source.config('SET', 'repl-diskless-sync-delay', '0');
    await source.eval(fill, 0);
    source.disconnect();
    await admin.config('SET', 'loading-process-events-interval-bytes', '1024');
    await admin.config('SET', 'key-load-delay', '50000');
    await admin.replicaof('127.0.0.1', String(primary.port));
    const isLoading = async () => (await admin.info('persistence')).includes('loading:1');
    await waitFor(isLoading, { what: 'Redis to load' });
    await expectUnavailable();
    expect(await isLoading()).toBe(true);
    await admin.config('SET', 'key-load-delay', '0');
    await waitFor(async () => !(await isLoading()), { what: 'Redis to have loaded' });
    await admin.replicaof('NO', 'ONE');
    await expectRecovery();
  });

  test('is unavailable while Redis cannot save what it must', async () => {
    const obstacle = join(server.dataDirectory, 'dump.rdb');
    const saved = async (how: 'ok' | 'err') =>
      (await admin.info('persistence')).includes(`rdb_last_bgsave_status:${how}`);
    await rm(obstacle, { force: true });
    await mkdir(obstacle);
    await admin.config('SET', 'save', '3600 1');
    // After a synchronisation the append-only file is rewritten, and no save starts meanwhile.
    await waitFor(() => admin.bgsave(), { what: 'the save to start' });
    await waitFor(() => saved('err'), { what: 'the save to fail' });
    await expectUnavailable();
    await rmdir(obstacle);
    await waitFor(() => admin.bgsave(), { what: 'the save to start' });
    await waitFor(() => saved('ok'), { what: 'the save to succeed' });
    await expectRecovery();
    await admin.config('SET', 'save', '');
  });

  test('teaches Redis its scripts again after they were forgotten', async () => {
    const requestId = newRequestId();
    const scope = newScope();
    await admin.script('FLUSH');
    const replies = await Promise.all(Array.from({ length: 20 }, () => reserve(newScope())));
    expect(replies.every(({ allowed }) => allowed)).toBe(true);
    await takeSlot(scope, requestId);
    await admin.script('FLUSH');
    await store.renew([{ requestId, scopes: [scope] }]);
    await store.release({ requestId, scopes: [scope] });
    expect((await takeSlot(scope)).allowed).toBe(true);
  });
});
