/** Events that are recorded while JetStream does not take them. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ControlEvent,
  consumers,
  eventMessageId,
  gatewayEvent,
  inferenceEndpoint,
  newRequestId,
  streams,
} from '@gateway/protocol';
import { type RunningServer, waitFor } from '@gateway/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Bus, RECORD_TIMEOUT_MS } from '../src/bus.ts';
import { isJetStreamFull } from '../src/nats/event-publisher.ts';
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
import {
  connectAs,
  passwordOf,
  provision,
  SPOOL_BYTES_MAX,
  startProvisionedNats,
} from './nats-fixture.ts';

const RECOVERY_MAX_MS = 2_000;

let server: RunningServer;
let directory: string;

beforeAll(async () => {
  server = await startProvisionedNats();
  return () => server.stop();
});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-spool-'));
  onTestFinished(async () => {
    await server.restart();
    await provision(server);
    await eventsOf({ connect: open, kill: async () => {} }, '');
    await rm(directory, { recursive: true, force: true });
  });
});

async function open(
  service: Parameters<typeof connectAs>[0] = 'ingress',
  bytesMax = SPOOL_BYTES_MAX,
): Promise<Bus> {
  const bus = await connectAs(service, server.url, { directory, bytesMax });
  onTestFinished(() => bus.drain());
  return bus;
}

/** JetStream as only the provisioner may handle it. */
async function manage() {
  const user = { user: 'provisioner', pass: passwordOf('provisioner') };
  const options = { servers: server.url, inboxPrefix: '_INBOX_provisioner', ...user };
  const connection = await connect(options);
  onTestFinished(() => connection.close());
  return await jetstreamManager(connection);
}

/** Every event in the stream, in order, taken out of it. */
async function storedIds(count: number): Promise<string[]> {
  const reader = await open('audit-writer');
  const ids: string[] = [];
  const subscription = await reader.consume(
    consumers.auditWriter,
    async (batch) => {
      for (const delivery of batch) {
        ids.push(eventMessageId(gatewayEvent.parse(delivery.value)));
        delivery.acknowledge();
      }
    },
    { batchMax: 500, lingerMs: 1 },
  );
  await waitFor(() => ids.length >= count, { what: `${count} events` });
  while ((await reader.backlog(consumers.auditWriter)).pending > 0);
  await subscription.drain();
  return ids;
}

const drained = (bus: Bus) =>
  waitFor(() => bus.spool.bytes === 0, { what: 'an empty spool', timeoutMs: 20_000 });

function events(count: number, size = 0): ControlEvent[] {
  return Array.from({ length: count }, () => ({ ...controlEvent(), actorKeyId: 'x'.repeat(size) }));
}

const idsOf = (recorded: readonly ControlEvent[]) => recorded.map(eventMessageId);

describe('a server that is killed', () => {
  test('has every event within 2 s of its return, once and in order', async () => {
    const bus = await open();
    await server.kill();
    await waitFor(() => bus.outage !== undefined, { what: 'the outage' });
    const recorded = events(500);
    const startedAt = performance.now();
    for (const event of recorded.slice(0, 100)) await bus.record(event);
    await Promise.all(recorded.slice(100).map((event) => bus.record(event)));
    expect(performance.now() - startedAt).toBeLessThan(RECORD_TIMEOUT_MS * 5);
    expect(bus.spool).toMatchObject({ events: 500, admits: true });
    await server.restart();
    const backAt = performance.now();
    await drained(bus);
    expect(performance.now() - backAt).toBeLessThan(RECOVERY_MAX_MS);
    expect(bus.spool.events).toBe(0);
    expect(await storedIds(500)).toEqual(idsOf(recorded));
  });

  test('leaves what it has to a successor when the process ends', async () => {
    const first = await open();
    await server.kill();
    await waitFor(() => first.outage !== undefined, { what: 'the outage' });
    const recorded = events(3);
    for (const event of recorded) await first.record(event);
    await first.drain();
    await server.restart();
    const second = await open();
    await waitFor(async () => (await readdir(join(directory, 'ingress'))).length === 1, {
      what: 'the spool of the first to be gone',
    });
    await drained(second);
    expect(await storedIds(3)).toEqual(idsOf(recorded));
  });
});

describe('a server that hangs', () => {
  test('and dies loses no attempt that was on its way to it and its caller', async () => {
    const endpoint = inferenceEndpoint(newProvider());
    const [ingress, worker] = [await open('ingress'), await open('provider-worker')];
    const proceed = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    await worker.serve(
      endpoint,
      async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await proceed.promise;
        await incoming.end(attempted(incoming.requestId));
        ended.resolve();
      },
      { concurrencyMax: 1 },
    );
    const requestId = newRequestId();
    const value = inferenceRequest('demo', requestId);
    const call = ingress.call(endpoint, { value }, callOptions(requestId));
    const iterator = call[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.next();
    server.pause();
    proceed.resolve();
    await ended.promise;
    await server.kill();
    expect(errorOf(await collect(call)).code).toBe('stream_interrupted');
    await waitFor(() => worker.spool.events === 1, { what: 'the attempt to be spooled' });
    await server.restart();
    await drained(worker);
    const stored = await eventsOf({ connect: open, kill: async () => {} }, requestId);
    expect(stored).toMatchObject([{ kind: 'attempted', assumed: false }]);
  });

  test('delays the first record alone, and gets what it missed when it goes on', async () => {
    const bus = await open();
    server.pause();
    const [first, ...others] = events(50) as [ControlEvent, ...ControlEvent[]];
    await bus.record(first);
    const startedAt = performance.now();
    for (const event of others) await bus.record(event);
    expect(performance.now() - startedAt).toBeLessThan(RECORD_TIMEOUT_MS * 4);
    expect(bus.spool.events).toBe(50);
    server.resume();
    const resumedAt = performance.now();
    await drained(bus);
    expect(performance.now() - resumedAt).toBeLessThan(RECOVERY_MAX_MS);
    expect(await storedIds(50)).toEqual(idsOf([first, ...others]));
  });
});

describe('a stream that is full', () => {
  test('refuses what is published, and takes what was recorded when it has room', async () => {
    const manager = await manage();
    const bus = await open();
    await manager.streams.update(streams.events.name, { max_bytes: 4096 });
    const recorded = events(20, 500);
    for (const event of recorded) await bus.record(event);
    expect(bus.spool.events).toBeGreaterThan(0);
    const refusal = await rejection(bus.publish(controlEvent()));
    expect(refusal.code).toBe('audit_unavailable');
    expect(isJetStreamFull(refusal)).toBe(true);
    // The consumer makes room, a few events at a time.
    expect((await storedIds(20)).sort()).toEqual(idsOf(recorded).sort());
    await drained(bus);
    await bus.publish(controlEvent());
  });
});

describe('the bound', () => {
  test('is a mark for new requests, and later a refusal', async () => {
    const bus = await open();
    await server.kill();
    await waitFor(() => bus.outage !== undefined, { what: 'the outage' });
    let count = 0;
    const recordOne = async () => {
      await bus.record({ ...controlEvent(), actorKeyId: 'x'.repeat(8 * 1024) });
      count += 1;
    };
    while (bus.spool.admits) await recordOne();
    const atMark = bus.spool.bytes;
    expect(atMark).toBeGreaterThanOrEqual((SPOOL_BYTES_MAX * 3) / 4);
    expect(atMark - atMark / count).toBeLessThan((SPOOL_BYTES_MAX * 3) / 4);
    const refused = await rejection(
      (async () => {
        for (;;) await recordOne();
      })(),
    );
    expect(refused).toMatchObject({ code: 'audit_unavailable' });
    expect(bus.spool.bytes).toBeLessThanOrEqual(SPOOL_BYTES_MAX);
    expect(bus.spool.bytes + atMark / count).toBeGreaterThan(SPOOL_BYTES_MAX);
    await server.restart();
    await drained(bus);
    expect(bus.spool).toEqual({ events: 0, bytes: 0, admits: true });
    expect(await storedIds(count)).toHaveLength(count);
  });
});

describe('an event that JetStream refuses', () => {
  test('is put aside, and holds up nothing', async () => {
    const manager = await manage();
    const { name } = streams.events;
    await manager.streams.update(name, { max_msg_size: 9_000 });
    const bus = await open();
    await server.kill();
    await waitFor(() => bus.outage !== undefined, { what: 'the outage' });
    const recorded = events(3);
    const large = { ...controlEvent(), actorKeyId: 'x'.repeat(10_000) };
    for (const event of [large, ...recorded]) await bus.record(event);
    await server.restart();
    await drained(bus);
    expect(await storedIds(3)).toEqual(idsOf(recorded));
    const aside = join(directory, 'ingress', 'refused');
    const [file = '', ...more] = await readdir(aside);
    expect(more).toEqual([]);
    const kept = JSON.parse(await readFile(join(aside, file), 'utf8'));
    expect(kept).toMatchObject({ id: eventMessageId(large) });
    expect(JSON.parse(Buffer.from(kept.body, 'base64').toString())).toEqual(large);
    // What JetStream says to the process itself is said at once.
    expect((await rejection(bus.record(large))).code).toBe('internal');
  });
});
