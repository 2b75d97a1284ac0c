import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, openInProcessHub } from '@gateway/bus';
import {
  type Limit,
  newInstanceId,
  newRequestId,
  releaseSlotsEndpoint,
  renewSlotsEndpoint,
  reserveEndpoint,
  type ServiceName,
} from '@gateway/protocol';
import { HealthChecks, Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { startRedis, waitFor } from '@gateway/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type RateLimiterSettings, startRateLimiter } from '../src/index.ts';

const logger = createLogger('rate-limiter', { level: 'silent' });

describe('startRateLimiter', () => {
  let resources: AsyncDisposableStack;
  let connect: (service: ServiceName) => Bus;

  beforeEach(async () => {
    resources = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), 'gateway-rate-limiter-'));
    resources.defer(() => rm(directory, { recursive: true }));
    const hub = await openInProcessHub({ directory, durability: 'process', freezesValues: true });
    resources.defer(() => hub.close());
    connect = (service) => hub.connect({ service, instance: newInstanceId() });
  });
  afterEach(() => resources.disposeAsync());

  const start = async (settings: RateLimiterSettings, health = new HealthChecks()) => {
    const bus = connect('rate-limiter');
    return resources.use(await startRateLimiter(settings, { bus, logger, health }));
  };
  const limit = { scope: 'key:a', kind: 'requests' as const, amount: 3, windowSeconds: 3600 };
  const ask = (bus: Bus, limits: readonly Limit[] = [limit]) =>
    bus.request(
      reserveEndpoint,
      { value: { requestId: newRequestId(), limits: [...limits] } },
      { timeoutMs: 5_000 },
    );

  test('decides over the bus, going on from what was admitted before', async () => {
    const past = [{ scope: 'key:a', atMs: Date.now() - 60_000, requests: 2 }];
    await start({ store: { kind: 'memory', past } });
    const ingress = connect('ingress');
    expect((await ask(ingress)).value).toMatchObject({ allowed: true, limits: [{ remaining: 0 }] });
    const { value } = await ask(ingress);
    expect(value).toMatchObject({ allowed: false, limits: [{ remaining: 0 }] });
    expect(value.retryAfterMs).toBeGreaterThan(3_500_000);
  });

  test('refuses a reservation that names one window twice', async () => {
    await start({ store: { kind: 'memory' } });
    const twice = ask(connect('ingress'), [limit, { ...limit, amount: 9 }]);
    await expect(twice).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('refuses a reservation that names the slots of a scope twice', async () => {
    await start({ store: { kind: 'memory' } });
    const slots = { scope: 'key:a', kind: 'concurrency', amount: 1 } as const;
    const twice = ask(connect('ingress'), [slots, { ...slots, amount: 2 }]);
    await expect(twice).rejects.toMatchObject({ code: 'invalid_request' });
  });

  test('keeps slots over the bus: taken, released, and renewed when they are unknown', async () => {
    await start({ store: { kind: 'memory' } });
    const ingress = connect('ingress');
    const [requestId, running] = [newRequestId(), newRequestId()];
    const scopes = ['key:a'];
    const slot = { scope: 'key:a', kind: 'concurrency', amount: 1 } as const;
    const isAllowed = async (id: string) => {
      const value = { requestId: id, limits: [slot] };
      return (await ingress.request(reserveEndpoint, { value }, { timeoutMs: 5_000 })).value
        .allowed;
    };
    expect(await isAllowed(requestId)).toBe(true);
    expect(await isAllowed(newRequestId())).toBe(false);
    ingress.send(releaseSlotsEndpoint, { value: { requestId, scopes } });
    const isFree = async () => {
      const id = newRequestId();
      if (!(await isAllowed(id))) return false;
      ingress.send(releaseSlotsEndpoint, { value: { requestId: id, scopes } });
      return true;
    };
    await waitFor(isFree, { what: 'the slot to be released' });
    ingress.send(renewSlotsEndpoint, { value: { held: [{ requestId: running, scopes }] } });
    await waitFor(async () => !(await isFree()), { what: 'the slot to be taken by the renewal' });
  });

  test('decides as one in several replicas over one Redis', async () => {
    await using server = await startRedis();
    const store = { kind: 'redis', url: new Secret(server.url), password: undefined } as const;
    const health = [new HealthChecks(), new HealthChecks()];
    for (const each of health) {
      each.markStarted();
      await start({ store }, each);
    }
    // Not waited for: peers of a limiter answer until it takes requests, so it must then be able to.
    expect(health.map((each) => each.readiness().isReady)).toEqual([true, true]);
    const ingress = connect('ingress');
    const amount = 123;
    const replies = await Promise.all(
      Array.from({ length: 500 }, () => ask(ingress, [{ ...limit, amount }])),
    );
    expect(replies.filter(({ value }) => value.allowed)).toHaveLength(amount);
    await resources.disposeAsync();
  });

  test('starts without Redis, says so in its health, and never admits then', async () => {
    const server = await startRedis();
    await server.stop();
    const store = { kind: 'redis', url: new Secret(server.url), password: undefined } as const;
    const health = new HealthChecks();
    await start({ store }, health);
    await expect(ask(connect('ingress'))).rejects.toMatchObject({ code: 'limiter_unavailable' });
    expect(Object.keys(health.readiness().failing)).toContain('redis');
  });

  test('serves nothing and checks nothing once it is disposed', async () => {
    const health = new HealthChecks();
    health.markStarted();
    const service = await start({ store: { kind: 'memory' } }, health);
    await service[Symbol.asyncDispose]();
    await expect(ask(connect('ingress'))).rejects.toMatchObject({ code: 'no_responders' });
    expect(health.readiness()).toEqual({ isReady: true, failing: {} });
  });
});
