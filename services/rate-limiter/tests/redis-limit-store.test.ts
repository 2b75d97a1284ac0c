import { newRequestId } from '@gateway/protocol';
import { Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { type RunningServer, startRedis, waitFor } from '@gateway/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ADMISSION_MEMORY_MS } from '../src/limit-store.ts';
import { RedisLimitStore } from '../src/redis-limit-store.ts';
import { limitStoreContract } from './limit-store.contract.ts';

const logger = createLogger('rate-limiter', { level: 'silent' });
let server: RunningServer;

async function openStore(): Promise<RedisLimitStore> {
  const store = new RedisLimitStore({ url: new Secret(server.url), password: undefined }, logger);
  await waitFor(() => store.outage === undefined, { what: 'the connection to Redis' });
  return store;
}

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

limitStoreContract('RedisLimitStore', { open: openStore, openTwin: openStore });

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
  /** Fails as it must, within the patience of the caller. */
  const expectUnavailable = async () => {
    const startedMs = performance.now();
    await expect(reserve(newScope())).rejects.toMatchObject({ code: 'limiter_unavailable' });
    expect(performance.now() - startedMs).toBeLessThan(250);
  };
  /** Works again without being told, soon after Redis does. */
  const expectRecovery = async () => {
    const startedMs = performance.now();
    await waitFor(() => reserve(newScope()), { what: 'a reservation', timeoutMs: 5_000 });
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(store.outage).toBeUndefined();
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

  test('teaches Redis the script again after it was forgotten', async () => {
    await reserve(newScope());
    await admin.script('FLUSH');
    const replies = await Promise.all(Array.from({ length: 20 }, () => reserve(newScope())));
    expect(replies.every(({ allowed }) => allowed)).toBe(true);
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

  test('is unavailable while Redis is out of memory, also for a full window', async () => {
    const scope = newScope();
    await reserve(scope, { amount: 1 });
    await admin.config('SET', 'maxmemory', '1');
    await expectUnavailable();
    const reservation = reserve(scope, { amount: 1 });
    await expect(reservation).rejects.toMatchObject({ code: 'limiter_unavailable' });
    await admin.config('SET', 'maxmemory', '0');
    await expectRecovery();
  });

  test('is unavailable while Redis is a replica', async () => {
    await admin.replicaof('127.0.0.1', '1');
    await expectUnavailable();
    await expectUnavailable();
    await admin.replicaof('NO', 'ONE');
    await expectRecovery();
  });

  test('is unavailable while Redis is silent, soon at once, and recovers', async () => {
    server.pause();
    try {
      await expectUnavailable();
      await waitFor(() => store.outage !== undefined, { what: 'the connection to be given up' });
      const startedMs = performance.now();
      await expect(reserve(newScope())).rejects.toMatchObject({ code: 'limiter_unavailable' });
      expect(performance.now() - startedMs).toBeLessThan(20);
    } finally {
      server.resume();
    }
    await expectRecovery();
  });

  test('is unavailable while Redis is down, and starts anew when data is lost', async () => {
    const scope = newScope();
    await reserve(scope, { amount: 1 });
    await server.kill();
    await expectUnavailable();
    await waitFor(() => store.outage !== undefined, { what: 'the outage to be known' });
    await server.restart();
    await expectRecovery();
    await admin.flushall();
    const { allowed, limits } = await reserve(scope, { amount: 1 });
    expect({ allowed, limits }).toMatchObject({ allowed: true, limits: [{ remaining: 0 }] });
  });
});
