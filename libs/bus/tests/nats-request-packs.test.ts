/** Requests, replies and messages that nobody answers, which travel together over NATS. */
import {
  cacheStoreEndpoint,
  GatewayError,
  modelsEndpoint,
  NO_USAGE,
  newInstanceId,
  type StoreMessage,
} from '@gateway/protocol';
import { startTelemetry } from '@gateway/telemetry';
import { type RunningServer, waitFor } from '@gateway/testing';
import { connect } from '@nats-io/transport-node';
import { context, TraceFlags, trace } from '@opentelemetry/api';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Bus } from '../src/bus.ts';
import { newProvider, rejection } from './contract/sample-messages.ts';
import { connectAs, passwordOf, startProvisionedNats } from './nats-fixture.ts';

const timeoutMs = 5_000;

let server: RunningServer;

beforeAll(async () => {
  server = await startProvisionedNats();
  return () => server.stop();
});

async function connectBus(service: Parameters<typeof connectAs>[0]): Promise<Bus> {
  const bus = await connectAs(service, server.url);
  onTestFinished(() => bus.drain());
  return bus;
}

/** An ingress, a worker that serves models, and how many messages of its provider have come to it. */
async function openPeers() {
  const provider = newProvider();
  const endpoint = modelsEndpoint(provider);
  const ingress = await connectBus('ingress');
  const worker = await connectBus('provider-worker');
  return {
    endpoint,
    worker,
    ask: (name: string, options: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
      ingress.request(
        endpoint,
        { value: { configurationRevision: name } },
        { timeoutMs, ...options },
      ),
  };
}

function named(name: string) {
  return { value: { models: [{ id: name }] } };
}

/** What a peer without our format is told, or tells. */
async function rawConnection(user: 'ingress' | 'provider-worker') {
  const connection = await connect({ servers: server.url, user, pass: passwordOf(user) });
  onTestFinished(() => connection.close());
  return connection;
}

describe('requests of one turn', () => {
  test('are one message', async () => {
    const { endpoint, ask } = await openPeers();
    const connection = await rawConnection('provider-worker');
    let messages = 0;
    connection.subscribe(endpoint.subject, {
      queue: endpoint.queueGroup,
      callback: () => {
        messages += 1;
      },
    });
    await connection.flush();
    const asked = ['a', 'b', 'c'].map((name) => rejection(ask(name, { timeoutMs: 100 })));
    const other = rejection(ask('d', { timeoutMs: 101 }));
    const codes = (await Promise.all([...asked, other])).map(({ code }) => code);
    expect(codes).toEqual(Array.from({ length: 4 }, () => 'deadline_exceeded'));
    // Those that wait for longer go by themselves.
    expect(messages).toBe(2);
  });

  test('have each its own outcome, and none waits for a slower one', async () => {
    const { endpoint, worker, ask } = await openPeers();
    const slow = Promise.withResolvers<void>();
    const respond = async ({ value }: { value: { configurationRevision: string } }) => {
      const { configurationRevision: name } = value;
      if (name === 'slow') await slow.promise;
      if (name === 'refused') throw new GatewayError('rate_limited', 'Slow down.');
      if (name === 'wrong') return { value: { models: [{ id: 1 as unknown as string }] } };
      return named(name);
    };
    await worker.respond(endpoint, respond, { concurrencyMax: 10 });
    const slowest = ask('slow');
    const wrongRequest = ask(5 as unknown as string);
    const others = [ask('refused'), ask('wrong'), wrongRequest].map(rejection);
    expect((await ask('quick')).value.models).toEqual([{ id: 'quick' }]);
    const [refused, wrong, notRead] = await Promise.all(others);
    expect(refused?.code).toBe('rate_limited');
    expect(wrong?.code).toBe('internal');
    expect(notRead?.code).toBe('internal');
    slow.resolve();
    expect((await slowest).value.models).toEqual([{ id: 'slow' }]);
  });

  test('end each with its own signal', async () => {
    const { endpoint, worker, ask } = await openPeers();
    const abort = new AbortController();
    const entered = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const respond = async () => {
      entered.resolve();
      await release.promise;
      return named('late');
    };
    await worker.respond(endpoint, respond, { concurrencyMax: 10 });
    const aborted = ask('a', { signal: abort.signal });
    const other = ask('b', { signal: new AbortController().signal });
    await entered.promise;
    abort.abort(new GatewayError('client_closed', 'gone'));
    expect((await rejection(aborted)).code).toBe('client_closed');
    release.resolve();
    expect((await other).value.models).toEqual([{ id: 'late' }]);
  });

  test('are handled each in its own trace', async () => {
    const telemetry = await startTelemetry({ service: 'bus-test', instance: 'test', version: '0' });
    onTestFinished(() => telemetry.shutdown());
    const { endpoint, worker, ask } = await openPeers();
    const traces: (string | undefined)[] = [];
    const respond = async () => {
      traces.push(trace.getSpanContext(context.active())?.traceId);
      return named('a');
    };
    await worker.respond(endpoint, respond, { concurrencyMax: 10 });
    const inTrace = (digit: string) => {
      const span = { traceId: digit.repeat(32), spanId: digit.repeat(16) };
      const active = trace.setSpanContext(context.active(), {
        ...span,
        traceFlags: TraceFlags.SAMPLED,
      });
      return context.with(active, () => ask('a'));
    };
    await Promise.all([inTrace('1'), ask('b'), inTrace('2')]);
    const expected = ['1'.repeat(32), '2'.repeat(32), undefined];
    expect(new Set(traces)).toEqual(new Set(expected));
    expect(traces).toHaveLength(3);
  });

  test('end where what answers cannot be read', async () => {
    const { endpoint, ask } = await openPeers();
    const connection = await rawConnection('provider-worker');
    connection.subscribe(endpoint.subject, {
      queue: endpoint.queueGroup,
      callback: (_, message) => void message.respond('{}'),
    });
    await connection.flush();
    const errors = await Promise.all([ask('a'), ask('b')].map(rejection));
    for (const error of errors) expect(error.code).toBe('internal');
  });
});

test('a request of another form is answered with an error', async () => {
  const { endpoint, worker } = await openPeers();
  await worker.respond(endpoint, async () => named('a'), { concurrencyMax: 1 });
  const connection = await rawConnection('ingress');
  const identity = `gateway.v2.inbox.ingress.${newInstanceId()}`;
  for (const request of [Buffer.from('{}'), Buffer.concat([Buffer.of(2), Buffer.alloc(16)])]) {
    const answered = Promise.withResolvers<string>();
    const inbox = connection.subscribe(`${identity}.1`, {
      callback: (_, message) => answered.resolve(message.string()),
    });
    connection.publish(endpoint.subject, request, { reply: `${identity}.1` });
    expect(JSON.parse(await answered.promise)).toMatchObject({ code: 'internal' });
    inbox.unsubscribe();
  }
});

test('messages of one turn come each with its body', async () => {
  const worker = await connectBus('provider-worker');
  const cache = await connectBus('cache');
  const received: string[] = [];
  const handle = async ({ value, body }: { value: StoreMessage; body?: Uint8Array }) => {
    received.push(`${value.key[0]}${Buffer.from(body ?? []).toString()}`);
  };
  await cache.receive(cacheStoreEndpoint, handle, { concurrencyMax: 10 });
  const entry = { contentType: 'text/plain', provider: 'p', model: 'm', usage: NO_USAGE };
  const store = (digit: string, body?: Uint8Array) =>
    worker.send(cacheStoreEndpoint, {
      value: {
        tenant: 't',
        key: digit.repeat(64),
        ttlSeconds: 1,
        entry: { ...entry, storedAt: 1 },
      },
      ...(body && { body }),
    });
  store('a', Buffer.from('one'));
  store('b');
  store('not a key');
  store('c', Buffer.from('three'));
  await waitFor(() => received.length === 3, { what: 'three messages' });
  expect(received).toEqual(['aone', 'b', 'cthree']);
});
