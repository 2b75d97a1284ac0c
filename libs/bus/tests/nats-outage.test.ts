/** What the bus does while nats-server is away, hangs, or is not yet what it should be. */
import {
  buckets,
  consumers,
  type InferenceHead,
  type InferenceRequest,
  inferenceEndpoint,
  modelsEndpoint,
  newInstanceId,
  newRequestId,
} from '@gateway/protocol';
import { type RunningServer, waitFor } from '@gateway/testing';
import { afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Bus, type CallHandler, PING_INTERVAL_MS, PINGS_MISSED_MAX } from '../src/bus.ts';
import { eventsOf } from './contract/recorded-events.ts';
import {
  attempted,
  callOptions,
  collect,
  controlEvent,
  errorOf,
  HEAD,
  inferenceRequest,
  newProvider,
  rejection,
} from './contract/sample-messages.ts';
import { connectAs, Link, startProvisionedNats } from './nats-fixture.ts';

const RECOVERY_MAX_MS = 2_000;

let server: RunningServer;

beforeAll(async () => {
  server = await startProvisionedNats();
  return () => server.stop();
});

afterEach(() => server.restart());

async function connect(service: Parameters<typeof connectAs>[0], url = server.url): Promise<Bus> {
  const bus = await connectAs(service, url);
  onTestFinished(() => bus.drain());
  return bus;
}

type Handler = CallHandler<InferenceRequest, InferenceHead>;

const holding: Handler = async (incoming) => {
  incoming.accept();
  incoming.head(HEAD);
  await new Promise((resolve) => incoming.signal.addEventListener('abort', resolve));
  await incoming.fail(incoming.signal.reason, attempted(incoming.requestId));
};

describe('a server that is killed and comes back', () => {
  test('is used again within 2 s, with every subscription', async () => {
    const endpoint = modelsEndpoint(newProvider());
    const ingress = await connect('ingress');
    const worker = await connect('provider-worker');
    const reader = await connect('audit-writer');
    await worker.respond(endpoint, async () => ({ value: { models: [] } }), { concurrencyMax: 1 });
    const consumed: unknown[] = [];
    await reader.consume(
      consumers.auditWriter,
      async (batch) => {
        for (const delivery of batch) {
          consumed.push((delivery.value as { changeId?: string }).changeId);
          delivery.acknowledge();
        }
      },
      { batchMax: 10, lingerMs: 1 },
    );
    await server.kill();
    await waitFor(() => ingress.outage && worker.outage && reader.outage, { what: 'outages' });
    await server.restart();
    const backAt = performance.now();
    const value = { configurationRevision: 'r' };
    await waitFor(() => ingress.request(endpoint, { value }, { timeoutMs: 500 }), {
      what: 'a request to be answered',
    });
    const event = controlEvent();
    await waitFor(() => ingress.publish(event).then(() => true), { what: 'a durable publish' });
    await waitFor(() => consumed.includes(event.changeId), { what: 'the event to be consumed' });
    expect(performance.now() - backAt).toBeLessThan(RECOVERY_MAX_MS);
    await waitFor(() => !ingress.outage && !worker.outage && !reader.outage, { what: 'no outage' });
  });

  test('refuses at once meanwhile, and says why', async () => {
    const ingress = await connect('ingress');
    await server.kill();
    await waitFor(() => ingress.outage !== undefined, { what: 'the outage' });
    const startedAt = performance.now();
    expect((await rejection(ingress.publish(controlEvent()))).code).toBe('audit_unavailable');
    const endpoint = modelsEndpoint(newProvider());
    const value = { configurationRevision: 'r' };
    const request = ingress.request(endpoint, { value }, { timeoutMs: 5_000 });
    expect((await rejection(request)).code).toBe('bus_unavailable');
    const message = { value: inferenceRequest('demo') };
    const call = async () =>
      ingress.call(inferenceEndpoint('demo'), message, callOptions(newRequestId()));
    expect((await rejection(call())).code).toBe('bus_unavailable');
    const bucket = await ingress.bucket(buckets.keys);
    expect((await rejection(bucket.put('key', 1))).code).toBe('bus_unavailable');
    expect(performance.now() - startedAt).toBeLessThan(200);
  });

  test('a publish that is under way when it dies is audit_unavailable', async () => {
    const ingress = await connect('ingress');
    server.pause();
    const publishing = rejection(ingress.publish(controlEvent()));
    await server.kill();
    expect((await publishing).code).toBe('audit_unavailable');
  });

  test('breaks a stream explicitly, and the worker stores its event when it is back', async () => {
    const endpoint = inferenceEndpoint(newProvider());
    const ingress = await connect('ingress');
    const worker = await connect('provider-worker');
    const serving = await worker.serve(endpoint, holding, { concurrencyMax: 1 });
    const requestId = newRequestId();
    const message = { value: inferenceRequest('demo', requestId) };
    const call = ingress.call(endpoint, message, callOptions(requestId));
    const iterator = call[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.next();
    const killedAt = performance.now();
    await server.kill();
    expect(errorOf(await collect(call)).code).toBe('stream_interrupted');
    expect(performance.now() - killedAt).toBeLessThan(1_000);
    await server.restart();
    await serving.drain();
    expect(await eventsOf({ connect, kill: async () => {} }, requestId)).toHaveLength(1);
  });

  test('watchers see what changed and what was deleted meanwhile, and nothing twice', async () => {
    const prefix = newInstanceId();
    const link = await Link.open(server.port);
    onTestFinished(() => link[Symbol.asyncDispose]());
    const writer = await connect('ingress');
    const watcher = await connect('ingress', link.url);
    const bucket = await writer.bucket(buckets.keys);
    for (const key of ['a', 'b', 'c']) await bucket.put(`${prefix}-${key}`, 1);
    const log: string[] = [];
    const watched = await watcher.bucket(buckets.keys);
    await watched.watch({
      changed: (key, entry) => {
        if (key.startsWith(prefix)) log.push(`${key.slice(-1)}=${entry?.value ?? 'deleted'}`);
      },
      ready: () => log.push('ready'),
    });
    await waitFor(() => log.includes('ready'), { what: 'the snapshot' });
    link.break();
    await waitFor(() => watcher.outage !== undefined, { what: 'the outage' });
    await bucket.put(`${prefix}-b`, 2);
    await bucket.delete(`${prefix}-c`);
    await waitFor(() => log.length >= 6, { what: 'the changes' });
    expect(log.slice(0, 4)).toEqual(['a=1', 'b=1', 'c=1', 'ready']);
    expect(log.slice(4).sort()).toEqual(['b=2', 'c=deleted']);
  });
});

describe('a server that hangs', () => {
  test('delivers late what nobody handles any more', async () => {
    const provider = newProvider();
    const ingress = await connect('ingress');
    const worker = await connect('provider-worker');
    const handled: string[] = [];
    const endpoint = inferenceEndpoint(provider);
    const serve: Handler = async (incoming) => {
      handled.push(incoming.requestId);
      incoming.accept();
      incoming.head(HEAD);
      await incoming.end(attempted(incoming.requestId));
    };
    await worker.serve(endpoint, serve, { concurrencyMax: 10 });
    const models = modelsEndpoint(provider);
    const respond = async ({ value }: { value: { configurationRevision: string } }) => {
      handled.push(value.configurationRevision);
      return { value: { models: [] } };
    };
    await worker.respond(models, respond, { concurrencyMax: 10 });
    const call = () => {
      const requestId = newRequestId();
      const value = inferenceRequest('demo', requestId);
      const frames = collect(ingress.call(endpoint, { value }, callOptions(requestId)));
      return { requestId, frames };
    };
    const ask = (name: string) =>
      ingress.request(models, { value: { configurationRevision: name } }, { timeoutMs: 300 });
    server.pause();
    const late = call();
    expect((await rejection(ask('late'))).code).toBe('deadline_exceeded');
    expect(errorOf(await late.frames).code).toBe('worker_lost');
    server.resume();
    await waitFor(() => ask('second'), { what: 'an answer' });
    const second = call();
    expect((await second.frames).at(-1)?.type).toBe('end');
    expect(new Set(handled)).toEqual(new Set(['second', second.requestId]));
  });
});

describe('a peer that hangs', () => {
  test('is lost after three silences', async () => {
    const endpoint = inferenceEndpoint(newProvider());
    const link = await Link.open(server.port);
    onTestFinished(() => link[Symbol.asyncDispose]());
    const ingress = await connect('ingress');
    const worker = await connectAs('provider-worker', link.url);
    const hang: Handler = async (incoming) => {
      incoming.accept();
      await new Promise((resolve) => incoming.signal.addEventListener('abort', resolve));
    };
    await worker.serve(endpoint, hang, { concurrencyMax: 1 });
    const requestId = newRequestId();
    const message = { value: inferenceRequest('demo', requestId) };
    const call = ingress.call(endpoint, message, callOptions(requestId));
    await call[Symbol.asyncIterator]().next();
    const stalledAt = performance.now();
    link.stall();
    expect(errorOf(await collect(call)).code).toBe('worker_lost');
    const lostAfterMs = performance.now() - stalledAt;
    expect(lostAfterMs).toBeGreaterThan((PINGS_MISSED_MAX - 1) * PING_INTERVAL_MS);
    expect(lostAfterMs).toBeLessThan((PINGS_MISSED_MAX + 2) * PING_INTERVAL_MS);
    await link[Symbol.asyncDispose]();
    await worker.drain();
  });
});

describe('a worker whose connection breaks', () => {
  const accepting: Handler = async (incoming) => {
    incoming.accept();
    await new Promise((resolve) => incoming.signal.addEventListener('abort', resolve));
    await incoming.fail(incoming.signal.reason, attempted(incoming.requestId));
  };
  test.each([
    { what: 'accepted', handler: accepting, frames: 1 },
    { what: 'begun', handler: holding, frames: 2 },
  ])('tells who waits for a call that was $what, once it is back', async ({ handler, frames }) => {
    const endpoint = inferenceEndpoint(newProvider());
    const link = await Link.open(server.port);
    onTestFinished(() => link[Symbol.asyncDispose]());
    const ingress = await connect('ingress');
    const worker = await connect('provider-worker', link.url);
    const serving = await worker.serve(endpoint, handler, { concurrencyMax: 1 });
    const requestId = newRequestId();
    const message = { value: inferenceRequest('demo', requestId) };
    const call = ingress.call(endpoint, message, callOptions(requestId));
    const iterator = call[Symbol.asyncIterator]();
    for (let frame = 0; frame < frames; frame += 1) await iterator.next();
    link.break();
    const brokenAt = performance.now();
    expect(errorOf(await collect(call)).code).toBe('worker_lost');
    expect(performance.now() - brokenAt).toBeLessThan(RECOVERY_MAX_MS);
    await serving.drain();
    expect(await eventsOf({ connect, kill: async () => {} }, requestId)).toHaveLength(1);
  });
});

describe('a worker whose connection breaks under the end of a call', () => {
  test('lets nobody wait for that end', async () => {
    const endpoint = inferenceEndpoint(newProvider());
    const link = await Link.open(server.port);
    onTestFinished(() => link[Symbol.asyncDispose]());
    const ingress = await connect('ingress');
    const worker = await connect('provider-worker', link.url);
    const ending = Promise.withResolvers<void>();
    await worker.serve(
      endpoint,
      async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await ending.promise;
        await incoming.end(attempted(incoming.requestId));
        link.break();
      },
      { concurrencyMax: 1 },
    );
    const requestId = newRequestId();
    const message = { value: inferenceRequest('demo', requestId) };
    const call = ingress.call(endpoint, message, callOptions(requestId));
    const iterator = call[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.next();
    link.stall();
    const stalledAt = performance.now();
    ending.resolve();
    expect(errorOf(await collect(call)).code).toBe('stream_interrupted');
    expect(performance.now() - stalledAt).toBeLessThan(RECOVERY_MAX_MS);
  });
});

describe('a server that is not there at the start', () => {
  test('gives a bus with an outage, which ends when the server comes', async () => {
    const endpoint = modelsEndpoint(newProvider());
    await server.kill();
    const [ingress, worker] = await Promise.all([connect('ingress'), connect('provider-worker')]);
    expect(ingress.outage).toMatch('not connected yet');
    const responding = worker.respond(endpoint, async () => ({ value: { models: [] } }), {
      concurrencyMax: 1,
    });
    await server.restart();
    await responding;
    const value = { configurationRevision: 'r' };
    await waitFor(() => ingress.outage === undefined, { what: 'the connection' });
    const reply = await ingress.request(endpoint, { value }, { timeoutMs: 1_000 });
    expect(reply.value.models).toEqual([]);
  });

  test('a bus that never connected can be drained', async () => {
    await server.kill();
    const ingress = await connectAs('ingress', server.url);
    await ingress.drain();
    expect(ingress.outage).toBe('the bus is closed');
  });
});
