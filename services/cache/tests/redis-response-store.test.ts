import { mkdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { NO_USAGE } from '@gateway/protocol';
import { Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { type RunningServer, startFaultProxy, startRedis, waitFor } from '@gateway/testing';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { COMMANDS_IN_FLIGHT_MAX } from '../src/redis-connection.ts';
import { RedisResponseStore } from '../src/redis-response-store.ts';
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

  test('lets as many commands wait as the bound and refuses one more at once', async () => {
    server.pause();
    try {
      const waiting = Array.from({ length: COMMANDS_IN_FLIGHT_MAX }, () =>
        store.get(address).catch((error: unknown) => error),
      );
      const refusal = `${COMMANDS_IN_FLIGHT_MAX} commands wait for Redis already`;
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
