import { NO_USAGE } from '@gateway/protocol';
import { Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { type RunningServer, startRedis, waitFor } from '@gateway/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RedisResponseStore } from '../src/redis-response-store.ts';
import { responseStoreContract } from './response-store.contract.ts';

const logger = createLogger('cache', { level: 'silent' });
let server: RunningServer;

async function openStore(): Promise<RedisResponseStore> {
  const settings = { url: new Secret(server.url), password: undefined };
  const store = new RedisResponseStore(settings, logger);
  await waitFor(() => store.outage === undefined, { what: 'the connection to Redis' });
  return store;
}

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server.stop());

responseStoreContract('RedisResponseStore', openStore);

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
    expect(performance.now() - startedMs).toBeLessThan(100);
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
      expect(performance.now() - startedMs).toBeLessThan(20);
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
