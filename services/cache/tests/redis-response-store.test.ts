import { mkdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NO_USAGE } from '@gateway/protocol';
import { Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { type RunningServer, startFaultProxy, startRedis, waitFor } from '@gateway/testing';
import { Redis } from 'ioredis';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest';
import { MESSAGES_IN_FLIGHT_MAX } from '../src/redis-connection.ts';
import {
  LOOKUPS_PER_CALL_MAX,
  RedisResponseStore,
  STORE_DELAY_MS_MAX,
  STORES_WAITING_MAX,
} from '../src/redis-response-store.ts';
import { responseStoreContract } from './response-store.contract.ts';

const logger = createLogger('cache', { level: 'silent' });
let server: RunningServer;

async function openStore(url = server.url): Promise<RedisResponseStore> {
  const settings = { url: new Secret(url), password: undefined };
  const store = new RedisResponseStore(settings, logger);
  await waitFor(() => store.outage === undefined, { what: 'the connection to Redis' });
  return store;
}

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

responseStoreContract('RedisResponseStore', () => openStore());

describe('RedisResponseStore', () => {
  const address = { tenant: 'acme', key: 'ab'.repeat(32) };
  const answer = {
    entry: { contentType: 'a/b', provider: 'openai', model: 'gpt', usage: NO_USAGE, storedAt: 1 },
    body: Buffer.from('bytes'),
  };
  let store: RedisResponseStore;
  let admin: Redis;

  beforeEach(async () => {
    store = await openStore();
    admin = new Redis(server.url);
    admin.on('error', () => {});
    await store.set(address, answer, 600);
  });
  afterEach(async () => {
    admin.disconnect();
    await store[Symbol.asyncDispose]();
  });

  /** Says that it cannot say, within the time a lookup has. */
  const expectTrouble = async () => {
    const startedMs = performance.now();
    await expect(store.get(address)).rejects.toMatchObject({ code: 'internal' });
    expect(performance.now() - startedMs).toBeLessThan(250);
  };
  const expectRecovery = async () => {
    const startedMs = performance.now();
    await waitFor(() => store.get(address), { what: 'a lookup', timeoutMs: 5_000 });
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    expect(store.outage).toBeUndefined();
  };

  test('stores under the tenant and the hash, with an end', async () => {
    const seconds = await admin.ttl(`cache:acme:${address.key}`);
    expect(seconds).toBeGreaterThan(590);
    expect(seconds).toBeLessThanOrEqual(600);
  });

  const addressOf = (index: number) => ({
    tenant: 'acme',
    key: index.toString(16).padStart(64, '0'),
  });
  const answerOf = (index: number) => ({ ...answer, body: Buffer.from(`answer ${index}`) });

  test('finds in the same turn what it was given before', async () => {
    const kept = store.set(addressOf(1), answerOf(1), 600);
    const found = await store.get(addressOf(1));
    expect(String(found?.body)).toBe('answer 1');
    await kept;
  });

  test('keeps an answer when no lookup follows', async () => {
    await store.set(addressOf(2), answerOf(2), 600);
    expect(await admin.exists(`cache:acme:${addressOf(2).key}`)).toBe(1);
  });

  test.for([
    STORES_WAITING_MAX,
    STORES_WAITING_MAX + 1,
    LOOKUPS_PER_CALL_MAX,
    LOOKUPS_PER_CALL_MAX + 1,
  ])('keeps and finds %i answers at once, each its own', async (count) => {
    const indexes = Array.from({ length: count }, (_, index) => 1_000 * count + index);
    await Promise.all(indexes.map((index) => store.set(addressOf(index), answerOf(index), 600)));
    const found = await Promise.all([...indexes, 999].map((index) => store.get(addressOf(index))));
    const bodies = found.map((each) => each && String(each.body));
    expect(bodies).toEqual([...indexes.map((index) => `answer ${index}`), undefined]);
  });

  test.for([
    { count: LOOKUPS_PER_CALL_MAX, commands: 1 },
    { count: LOOKUPS_PER_CALL_MAX + 1, commands: 2 },
  ])('looks $count answers of a turn up with $commands commands', async ({ count, commands }) => {
    await admin.config('RESETSTAT');
    await Promise.all(Array.from({ length: count }, (_, index) => store.get(addressOf(index))));
    expect(await admin.info('commandstats')).toContain(`cmdstat_mget:calls=${commands},`);
  });

  test('lets stores wait for a lookup or the timer, and as many as the bound for neither', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const keep = (index: number) => store.set(addressOf(index), answerOf(index), 600);
    const indexes = Array.from({ length: STORES_WAITING_MAX }, (_, index) => 5_000 + index);
    await Promise.all(indexes.map(keep));
    const one = keep(6_000);
    expect(await admin.exists(`cache:acme:${addressOf(6_000).key}`)).toBe(0);
    vi.advanceTimersByTime(STORE_DELAY_MS_MAX);
    await one;
    expect(await admin.exists(`cache:acme:${addressOf(6_000).key}`)).toBe(1);
  });

  test('has no answer where the stored bytes make no sense', async () => {
    await admin.set(`cache:acme:${address.key}`, 'written by something else');
    expect(await store.get(address)).toBeUndefined();
  });

  test('goes on reading when Redis is out of memory', async () => {
    await admin.config('SET', 'maxmemory', '1');
    await expect(store.set(address, answer, 60)).rejects.toMatchObject({ code: 'internal' });
    expect((await store.get(address))?.entry).toEqual(answer.entry);
    await admin.config('SET', 'maxmemory', '0');
    await store.set(address, answer, 60);
  });

  test('goes on reading when Redis is a replica', async () => {
    await admin.replicaof('127.0.0.1', '1');
    await expect(store.set(address, answer, 60)).rejects.toMatchObject({ code: 'internal' });
    expect((await store.get(address))?.entry).toEqual(answer.entry);
    await admin.replicaof('NO', 'ONE');
    await store.set(address, answer, 60);
  });

  test('fails while Redis is silent, soon at once, and recovers', async () => {
    server.pause();
    try {
      await expectTrouble();
      await waitFor(() => store.outage !== undefined, { what: 'the connection to be given up' });
      const startedMs = performance.now();
      await expect(store.get(address)).rejects.toMatchObject({ code: 'internal' });
      expect(performance.now() - startedMs).toBeLessThan(50);
    } finally {
      server.resume();
    }
    await expectRecovery();
  });

  test('goes on reading when Redis cannot save what it must', async () => {
    const obstacle = join(server.dataDirectory, 'dump.rdb');
    const saved = async (how: 'ok' | 'err') =>
      (await admin.info('persistence')).includes(`rdb_last_bgsave_status:${how}`);
    await rm(obstacle, { force: true });
    await mkdir(obstacle);
    await admin.config('SET', 'save', '3600 1');
    await waitFor(() => admin.bgsave(), { what: 'the save to start' });
    await waitFor(() => saved('err'), { what: 'the save to fail' });
    await expect(store.set(address, answer, 60)).rejects.toMatchObject({ code: 'internal' });
    expect((await store.get(address))?.entry).toEqual(answer.entry);
    await rmdir(obstacle);
    await waitFor(() => admin.bgsave(), { what: 'the save to start' });
    await waitFor(() => saved('ok'), { what: 'the save to succeed' });
    await store.set(address, answer, 60);
    await admin.config('SET', 'save', '');
  });

  test.for([1_000, 150])('fails while Redis is %i ms late, soon at once', async (latencyMs) => {
    await using proxy = await startFaultProxy({ targetPort: server.port });
    await store[Symbol.asyncDispose]();
    store = await openStore(`redis://127.0.0.1:${proxy.port}`);
    proxy.setToxics('downstream', { latencyMs });
    await waitFor(
      async () => {
        await expectTrouble();
        return store.outage !== undefined;
      },
      { what: 'the connection to be given up' },
    );
    const startedMs = performance.now();
    await expect(store.get(address)).rejects.toMatchObject({ code: 'internal' });
    expect(performance.now() - startedMs).toBeLessThan(50);
    proxy.setToxics('downstream', {});
    await expectRecovery();
  });

  test('lets as many messages wait as the bound and refuses one more at once', async () => {
    server.pause();
    try {
      const waiting = Array.from({ length: MESSAGES_IN_FLIGHT_MAX }, () =>
        store.get(address).catch((error: unknown) => error),
      );
      const refusal = `${MESSAGES_IN_FLIGHT_MAX} messages wait for Redis already`;
      await expect(store.get(address)).rejects.toMatchObject({ facts: { detail: refusal } });
      for (const error of await Promise.all(waiting)) {
        expect(error).not.toMatchObject({ facts: { detail: refusal } });
      }
    } finally {
      server.resume();
    }
    await expectRecovery();
  });

  test('fails while Redis is down and recovers', async () => {
    await server.kill();
    await expectTrouble();
    await server.restart();
    await expectRecovery();
  });
});
