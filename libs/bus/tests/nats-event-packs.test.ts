/** Events that travel to JetStream and from it as one message. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ControlEvent,
  consumers,
  inferenceEndpoint,
  newInstanceId,
  newRequestId,
  PACK_BYTES_MAX,
  PACK_EVENTS_MAX,
  streams,
} from '@gateway/protocol';
import { startTelemetry } from '@gateway/telemetry';
import { type RunningServer, waitFor } from '@gateway/testing';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, nanos } from '@nats-io/transport-node';
import { context, TraceFlags, trace } from '@opentelemetry/api';
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Bus, type Delivery, RECORD_TIMEOUT_MS } from '../src/bus.ts';
import { systemClock } from '../src/calls/clock.ts';
import { ConnectionKeeper } from '../src/nats/connection-keeper.ts';
import { COMPANY_WAIT_MS, EventPacker } from '../src/nats/event-packer.ts';
import { eventMessage } from '../src/nats/event-publisher.ts';
import { RequestMux } from '../src/nats/request-mux.ts';
import { TurnEnd } from '../src/nats/turn-end.ts';
import { emptied, eventsOf, subjectOf } from './contract/recorded-events.ts';
import {
  attempted,
  callOptions,
  collect,
  controlEvent,
  HEAD,
  inferenceRequest,
  newProvider,
  rejection,
} from './contract/sample-messages.ts';
import { ManualClock } from './manual-clock.ts';
import { connectAs, passwordOf, provision, startProvisionedNats } from './nats-fixture.ts';

const consumer = consumers.auditWriter;
const SPOOL_BYTES_MAX = 1024 * 1024;

let server: RunningServer;
let manager: JetStreamManager;

beforeAll(async () => {
  server = await startProvisionedNats();
  return () => server.stop();
});

beforeEach(async () => {
  const user = { user: 'provisioner', pass: passwordOf('provisioner') };
  const options = { servers: server.url, inboxPrefix: '_INBOX_provisioner', ...user };
  const connection = await connect(options);
  manager = await jetstreamManager(connection);
  onTestFinished(async () => {
    await connection.close();
    await provision(server);
    await eventsOf({ connect: open, kill: async () => {} }, '');
  });
});

async function open(service: Parameters<typeof connectAs>[0], directory?: string): Promise<Bus> {
  const spool = directory === undefined ? undefined : { directory, bytesMax: SPOOL_BYTES_MAX };
  const bus = await connectAs(service, server.url, spool);
  onTestFinished(() => bus.drain());
  return bus;
}

/** Messages ever stored. */
async function storedMessages(): Promise<number> {
  return (await manager.streams.info(streams.events.name)).state.last_seq;
}

async function messagesOf(work: () => Promise<unknown>): Promise<number> {
  const before = await storedMessages();
  await work();
  return (await storedMessages()) - before;
}

function events(count: number, size = 0): ControlEvent[] {
  return Array.from({ length: count }, () => ({ ...controlEvent(), actorKeyId: 'x'.repeat(size) }));
}

const publishAll = (bus: Bus, all: readonly ControlEvent[]) =>
  Promise.all(all.map((event) => bus.publish(event)));

describe('events of one turn', () => {
  test('are one message of at most so many', async () => {
    const bus = await open('ingress');
    expect(await messagesOf(() => publishAll(bus, events(PACK_EVENTS_MAX)))).toBe(1);
    expect(await messagesOf(() => publishAll(bus, events(PACK_EVENTS_MAX + 1)))).toBe(2);
  });

  test('are one message of at most so many bytes, and a larger one goes alone', async () => {
    const bus = await open('ingress');
    const [first] = events(1, 1_000) as [ControlEvent];
    // Each event has a line end in the bound.
    const rest = PACK_BYTES_MAX - JSON.stringify(first).length - 2;
    const sized = (bytes: number) => events(1, bytes - JSON.stringify(controlEvent()).length + 5);
    expect(JSON.stringify(sized(rest)[0])).toHaveLength(rest);
    expect(await messagesOf(() => publishAll(bus, [first, ...sized(rest)]))).toBe(1);
    expect(await messagesOf(() => publishAll(bus, [first, ...sized(rest + 1)]))).toBe(2);
    expect(await messagesOf(() => publishAll(bus, sized(2 * PACK_BYTES_MAX)))).toBe(1);
  });

  test('are taken as each was published, in its own trace', async () => {
    const telemetry = await startTelemetry({ service: 'bus-test', instance: 'test', version: '0' });
    onTestFinished(() => telemetry.shutdown());
    const bus = await open('ingress');
    const reader = await open('audit-writer');
    const traceIds = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b71692033310af7651916cd43dd'];
    const traced = traceIds.map((traceId) => ({ event: controlEvent(), traceId }));
    const untraced = controlEvent();
    const messages = await messagesOf(() => {
      const sent = traced.map(({ event, traceId }) => {
        const span = { traceId, spanId: 'b7ad6b7169203331', traceFlags: TraceFlags.SAMPLED };
        return context.with(trace.setSpanContext(context.active(), span), () => bus.record(event));
      });
      return Promise.all([...sent, bus.record(untraced)]);
    });
    expect(messages).toBe(1);
    const seen: unknown[] = [];
    await taking(reader, (delivery) => {
      seen.push([delivery.value, delivery.headers.traceparent?.split('-')[1]]);
      delivery.acknowledge();
    });
    await emptied(reader);
    expect(seen).toEqual([
      ...traced.map(({ event, traceId }) => [event, traceId]),
      [untraced, undefined],
    ]);
  });

  test('fail one by one where JetStream refuses them together', async () => {
    const bus = await open('ingress');
    await manager.streams.update(streams.events.name, { max_msg_size: 2_000 });
    const [good, alsoGood] = events(2) as [ControlEvent, ControlEvent];
    const [large] = events(1, 3_000) as [ControlEvent];
    const results = await Promise.allSettled([good, large, alsoGood].map((one) => bus.record(one)));
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(results[1]).toMatchObject({ reason: { code: 'internal' } });
    const stored = await eventsOf({ connect: open, kill: async () => {} }, good.changeId);
    expect(stored).toEqual([good]);
  });

  test('are spooled one by one when the server dies before it acknowledges them', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'gateway-spool-'));
    onTestFinished(() => rm(directory, { recursive: true, force: true }));
    const bus = await open('ingress', directory);
    const recorded = events(20);
    server.pause();
    const recording = Promise.all(recorded.map((event) => bus.record(event)));
    await server.kill();
    await recording;
    expect(bus.spool.events).toBe(20);
    await server.restart();
    await waitFor(() => bus.spool.events === 0, { what: 'an empty spool' });
    const reader = await open('audit-writer');
    const seen: string[] = [];
    await taking(reader, (delivery) => {
      seen.push(subjectOf(delivery.value) ?? '');
      delivery.acknowledge();
    });
    await emptied(reader);
    expect(seen).toEqual(recorded.map(({ changeId }) => changeId));
  });

  test('of a worker end all calls that wait for them', async () => {
    const endpoint = inferenceEndpoint(newProvider());
    const [ingress, worker] = [await open('ingress'), await open('provider-worker')];
    const proceed = Promise.withResolvers<void>();
    await worker.serve(
      endpoint,
      async (incoming) => {
        incoming.accept();
        incoming.head(HEAD);
        await proceed.promise;
        await incoming.end(attempted(incoming.requestId));
      },
      { concurrencyMax: 3 },
    );
    const calls = Array.from({ length: 3 }, () => {
      const requestId = newRequestId();
      const value = inferenceRequest('demo', requestId);
      return ingress.call(endpoint, { value }, callOptions(requestId));
    });
    await waitFor(() => calls.every(({ worker }) => worker !== undefined), { what: 'the calls' });
    const messages = await messagesOf(async () => {
      proceed.resolve();
      const ends = await Promise.all(calls.map(collect));
      expect(ends.map((frames) => frames.at(-1)?.type)).toEqual(['end', 'end', 'end']);
    });
    expect(messages).toBe(1);
  });
});

async function taking(reader: Bus, settle: (delivery: Delivery) => unknown): Promise<void> {
  await reader.consume(
    consumer,
    async (batch) => {
      for (const delivery of batch) await settle(delivery);
    },
    { batchMax: 50, lingerMs: 1 },
  );
}

describe('a message of several events', () => {
  test('comes again for those that ask, and leaves the others alone', async () => {
    const [bus, reader] = [await open('ingress'), await open('audit-writer')];
    const [settled, again, poison] = events(3) as [ControlEvent, ControlEvent, ControlEvent];
    const { quarantined } = await reader.backlog(consumer);
    await publishAll(bus, [settled, again, poison]);
    const seen: string[] = [];
    await taking(reader, (delivery) => {
      const id = subjectOf(delivery.value);
      seen.push(`${id}:${delivery.deliveries}`);
      if (id === poison.changeId) return delivery.quarantine('poison');
      if (id === again.changeId && delivery.deliveries === 1) return delivery.retry(1);
      return delivery.acknowledge();
    });
    await emptied(reader);
    const first = [settled, again, poison].map(({ changeId }) => `${changeId}:1`);
    expect(seen).toEqual([...first, `${again.changeId}:2`]);
    expect(await reader.backlog(consumer)).toEqual({ pending: 0, quarantined: quarantined + 1 });
  });

  test('comes again whole when its reader dies before the last of them is settled', async () => {
    const { stream, durable } = consumer;
    await manager.consumers.update(stream, durable, { ack_wait: nanos(500) });
    const [bus, first] = [await open('ingress'), await open('audit-writer')];
    const both = events(2);
    await publishAll(bus, both);
    const held: Delivery[] = [];
    await taking(first, (delivery) => {
      if (held.length === 0) delivery.acknowledge();
      held.push(delivery);
    });
    await waitFor(() => held.length === 2, { what: 'the deliveries' });
    expect((await first.backlog(consumer)).pending).toBe(1);
    await first.drain();
    const second = await open('audit-writer');
    const seen: string[] = [];
    await taking(second, (delivery) => {
      seen.push(subjectOf(delivery.value) ?? '');
      delivery.acknowledge();
    });
    await emptied(second);
    expect(seen).toEqual(both.map(({ changeId }) => changeId));
  });
});

describe('an event on its way', () => {
  /** The packer of a connection, on a clock that stands still. */
  async function openPacker() {
    const identity = { service: 'ingress', instance: newInstanceId() } as const;
    const turnEnd = new TurnEnd();
    const password = passwordOf('ingress');
    const options = { url: server.url, user: 'ingress', password, identity };
    const keeper = await ConnectionKeeper.open(options, turnEnd);
    onTestFinished(() => keeper.close());
    const mux = new RequestMux(keeper, identity, systemClock);
    const clock = new ManualClock();
    return { packer: new EventPacker({ keeper, mux, clock, turnEnd }), clock };
  }

  const message = () => eventMessage(controlEvent());
  const timeoutMs = RECORD_TIMEOUT_MS;
  const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

  test('that may wait goes with the next one', async () => {
    const { packer, clock } = await openPacker();
    const messages = await messagesOf(async () => {
      const waiting = packer.store(message(), { timeoutMs, mayWait: true });
      await turn();
      await Promise.all([waiting, packer.store(message(), { timeoutMs })]);
    });
    expect(messages).toBe(1);
    expect(clock.pending).toBe(0);
  });

  test('that may wait goes by itself when its time is over', async () => {
    const { packer, clock } = await openPacker();
    const before = await storedMessages();
    const waiting = packer.store(message(), { timeoutMs, mayWait: true });
    await turn();
    clock.advance(COMPANY_WAIT_MS - 1);
    await turn();
    expect(await storedMessages()).toBe(before);
    clock.advance(1);
    await waiting;
    expect(await storedMessages()).toBe(before + 1);
  });

  test('that is to go alone travels with no other', async () => {
    const { packer } = await openPacker();
    const alone = { timeoutMs, alone: true };
    const work = () => Promise.all([message(), message()].map((one) => packer.store(one, alone)));
    expect(await messagesOf(work)).toBe(2);
  });

  test('fails when its own time is over, whatever travels with it', async () => {
    const { packer, clock } = await openPacker();
    server.pause();
    onTestFinished(() => server.resume());
    const short = rejection(packer.store(message(), { timeoutMs }));
    let isLongOver = false;
    const long = rejection(packer.store(message(), { timeoutMs: timeoutMs + 1 })).finally(() => {
      isLongOver = true;
    });
    await turn();
    clock.advance(timeoutMs);
    expect(await short).toMatchObject({ code: 'audit_unavailable' });
    await turn();
    expect(isLongOver).toBe(false);
    clock.advance(1);
    expect(await long).toMatchObject({ code: 'audit_unavailable' });
    expect(clock.pending).toBe(0);
  });
});
