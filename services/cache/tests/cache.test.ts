import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, openInProcessHub } from '@gateway/bus';
import {
  CACHED_BODY_BYTES_MAX,
  cacheLookupEndpoint,
  cacheStoreEndpoint,
  NO_USAGE,
  newInstanceId,
  type ServiceName,
} from '@gateway/protocol';
import { HealthChecks, Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { startRedis, waitFor } from '@gateway/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CacheSettings, startCache } from '../src/index.ts';

const logger = createLogger('cache', { level: 'silent' });
const entry = {
  contentType: 'text/event-stream',
  provider: 'openai',
  model: 'gpt',
  usage: NO_USAGE,
  storedAt: 1,
};
const address = { tenant: 'acme', key: '5a'.repeat(32) };

describe('startCache', () => {
  let resources: AsyncDisposableStack;
  let connect: (service: ServiceName) => Bus;

  beforeEach(async () => {
    resources = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), 'gateway-cache-'));
    resources.defer(() => rm(directory, { recursive: true }));
    const hub = await openInProcessHub({ directory, durability: 'process', freezesValues: true });
    resources.defer(() => hub.close());
    connect = (service) => hub.connect({ service, instance: newInstanceId() });
  });
  afterEach(() => resources.disposeAsync());

  const start = async (settings: CacheSettings, health = new HealthChecks()) => {
    const bus = connect('cache');
    return resources.use(await startCache(settings, { bus, logger, health }));
  };
  const keep = (bus: Bus, body: Uint8Array, key = address.key) =>
    bus.send(cacheStoreEndpoint, { value: { ...address, key, ttlSeconds: 60, entry }, body });
  const find = (bus: Bus, change: Partial<typeof address> = {}) =>
    bus.request(cacheLookupEndpoint, { value: { ...address, ...change } }, { timeoutMs: 5_000 });
  const findOnceStored = (bus: Bus) =>
    waitFor(async () => (await find(bus)).body, { what: 'the stored answer' });

  test('keeps over the bus what a worker sends, for its tenant alone', async () => {
    await start({ store: { kind: 'memory' } });
    const ingress = connect('ingress');
    keep(connect('provider-worker'), Buffer.from('data: [DONE]\n\n'));
    expect(Buffer.from(await findOnceStored(ingress)).toString()).toBe('data: [DONE]\n\n');
    expect((await find(ingress)).value.entry).toEqual(entry);
    const other = await find(ingress, { tenant: 'other' });
    expect([other.value, other.body?.length ?? 0]).toEqual([{}, 0]);
  });

  test('goes on after an answer that is too large', async () => {
    await start({ store: { kind: 'memory' } });
    const [worker, ingress] = [connect('provider-worker'), connect('ingress')];
    keep(worker, new Uint8Array(CACHED_BODY_BYTES_MAX + 1), '6b'.repeat(32));
    keep(worker, new Uint8Array(CACHED_BODY_BYTES_MAX));
    expect(await findOnceStored(ingress)).toHaveLength(CACHED_BODY_BYTES_MAX);
    expect((await find(ingress, { key: '6b'.repeat(32) })).value).toEqual({});
  });

  test('shares answers between replicas over one Redis', async () => {
    await using server = await startRedis();
    const store = { kind: 'redis', url: new Secret(server.url), password: undefined } as const;
    const health = new HealthChecks();
    health.markStarted();
    const isReady = () => health.readiness().isReady;
    const ingress = connect('ingress');
    await using first = await start({ store }, health);
    await waitFor(isReady, { what: 'the first replica to be ready' });
    keep(connect('provider-worker'), Buffer.from('shared'));
    await findOnceStored(ingress);
    await first[Symbol.asyncDispose]();
    await start({ store }, health);
    await waitFor(isReady, { what: 'the second replica to be ready' });
    expect(Buffer.from((await find(ingress)).body ?? []).toString()).toBe('shared');
    await resources.disposeAsync();
  });

  test('starts without Redis, says so in its health, and answers with an error', async () => {
    const server = await startRedis();
    await server.stop();
    const store = { kind: 'redis', url: new Secret(server.url), password: undefined } as const;
    const health = new HealthChecks();
    await start({ store }, health);
    await expect(find(connect('ingress'))).rejects.toMatchObject({ code: 'internal' });
    expect(Object.keys(health.readiness().failing)).toContain('redis');
  });

  test('serves nothing and checks nothing once it is disposed', async () => {
    const health = new HealthChecks();
    health.markStarted();
    const service = await start({ store: { kind: 'memory' } }, health);
    await service[Symbol.asyncDispose]();
    await expect(find(connect('ingress'))).rejects.toMatchObject({ code: 'no_responders' });
    expect(health.readiness()).toEqual({ isReady: true, failing: {} });
  });
});
