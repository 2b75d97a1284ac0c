import { existsSync } from 'node:fs';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ControlEvent, consumers, newInstanceId, subjects } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Bus, Delivery } from '../src/bus.ts';
import { CURSOR_SAVE_INTERVAL_MS } from '../src/in-process/consumer-cursor.ts';
import { openInProcessHub } from '../src/in-process/hub.ts';
import type { InProcessBus } from '../src/in-process/in-process-bus.ts';
import { controlEvent, finished } from './contract/sample-messages.ts';
import { logMessage, openLog, temporaryDirectory } from './in-process-fixture.ts';
import { ManualClock } from './manual-clock.ts';

const { auditWriter } = consumers;

async function openBus(directory: string, clock = new ManualClock()) {
  const hub = await openInProcessHub({ directory, clock, durability: 'process' });
  onTestFinished(() => hub.close());
  const connect = () => hub.connect({ service: 'audit-writer', instance: newInstanceId() });
  return { hub, clock, connect, bus: connect() };
}

function changeId(delivery: Delivery): string {
  return (delivery.value as ControlEvent).changeId;
}

/** Collects deliveries and leaves them as they are. */
async function collect(bus: Bus, settle: (delivery: Delivery) => void = () => {}, batchMax = 500) {
  const deliveries: Delivery[] = [];
  const handler = async (batch: readonly Delivery[]) => {
    for (const delivery of batch) {
      settle(delivery);
      deliveries.push(delivery);
    }
  };
  await bus.consume(auditWriter, handler, { batchMax, lingerMs: 0 });
  return deliveries;
}

async function publishMany(bus: Bus, count: number): Promise<ControlEvent[]> {
  const events = Array.from({ length: count }, () => controlEvent());
  await Promise.all(events.map((event) => bus.publish(event)));
  return events;
}

function arrived(deliveries: readonly unknown[], count: number): Promise<true> {
  return waitFor(() => deliveries.length >= count, { what: `${count} deliveries` });
}

const acknowledge = (delivery: Delivery) => delivery.acknowledge();

describe('a durable consumer of the in-process bus', () => {
  test('gets what was published before it ever consumed, over a restart', async () => {
    const directory = await temporaryDirectory();
    const first = await openBus(directory);
    const events = await publishMany(first.bus, 3);
    await first.hub.close();
    const { bus } = await openBus(directory);
    expect(await bus.backlog(auditWriter)).toEqual({ pending: 3, quarantined: 0 });
    const deliveries = await collect(bus, acknowledge);
    await arrived(deliveries, 3);
    expect(deliveries.map(({ value }) => value)).toEqual(events);
    expect(deliveries.map((delivery) => delivery.deliveries)).toEqual([1, 1, 1]);
    expect(await bus.backlog(auditWriter)).toEqual({ pending: 0, quarantined: 0 });
  });

  test('gets the very event of this process, and after a restart what was written of it', async () => {
    const directory = await temporaryDirectory();
    const first = await openBus(directory);
    const before = await collect(first.bus);
    await publishMany(first.bus, 1);
    await arrived(before, 1);
    const event = { ...finished(), errorCode: undefined };
    await first.bus.publish(event);
    await arrived(before, 2);
    expect(before[1]?.value).toBe(event);
    const written = JSON.parse(String(before[1]?.bytes));
    expect(written).toEqual(event);
    await first.hub.close();
    const { bus } = await openBus(directory);
    const after = await collect(bus);
    await arrived(after, 2);
    expect(after[1]?.value).toStrictEqual(written);
  });

  test('gets after a restart what it had not settled, and nothing else', async () => {
    const directory = await temporaryDirectory();
    const first = await openBus(directory);
    const events = await publishMany(first.bus, 5);
    const before = await collect(first.bus);
    await arrived(before, 5);
    for (const index of [0, 1, 3]) before[index]?.acknowledge();
    await first.hub.close();
    const { bus } = await openBus(directory);
    const [late] = await publishMany(bus, 1);
    expect(await bus.backlog(auditWriter)).toEqual({ pending: 3, quarantined: 0 });
    const deliveries = await collect(bus, acknowledge);
    await arrived(deliveries, 3);
    expect(deliveries.map(({ value }) => value)).toEqual([events[2], events[4], late]);
  });

  test('hands out full batches at once, and others when they have lingered', async () => {
    const { bus, clock } = await openBus(await temporaryDirectory());
    const sizes: number[] = [];
    const handler = async (batch: readonly Delivery[]) => {
      batch.forEach(acknowledge);
      sizes.push(batch.length);
    };
    await publishMany(bus, 7);
    await bus.consume(auditWriter, handler, { batchMax: 5, lingerMs: 100 });
    await arrived(sizes, 1);
    expect(sizes).toEqual([5]);
    const start = clock.now();
    const step = () => {
      clock.advance(1);
      return sizes.length === 2;
    };
    await waitFor(step, {
      what: 'a lingering batch',
      intervalMs: 1,
    });
    expect(clock.now() - start).toBeGreaterThanOrEqual(100);
    expect(sizes).toEqual([5, 2]);
  });

  test('hands an event out again when its retry is due, not before', async () => {
    const { bus, clock } = await openBus(await temporaryDirectory());
    const [event] = await publishMany(bus, 1);
    const deliveries = await collect(bus);
    await arrived(deliveries, 1);
    deliveries[0]?.retry(5_000);
    clock.advance(4_999);
    const [marker] = await publishMany(bus, 1);
    await arrived(deliveries, 2);
    clock.advance(1);
    await arrived(deliveries, 3);
    expect(deliveries.map(changeId)).toEqual([event, marker, event].map((one) => one?.changeId));
    expect(deliveries.map((delivery) => delivery.deliveries)).toEqual([1, 1, 2]);
  });

  test('hands an event out again that was not settled in time', async () => {
    const { bus, clock } = await openBus(await temporaryDirectory());
    await publishMany(bus, 1);
    const deliveries = await collect(bus);
    await arrived(deliveries, 1);
    clock.advance(auditWriter.acknowledgeWithinMs - 1);
    await publishMany(bus, 1);
    await arrived(deliveries, 2);
    expect(deliveries[1]?.deliveries).toBe(1);
    clock.advance(1);
    await arrived(deliveries, 3);
    expect(deliveries[2]?.deliveries).toBe(2);
    deliveries[0]?.acknowledge();
    expect(await bus.backlog(auditWriter)).toEqual({ pending: 1, quarantined: 0 });
  });

  test('waits the whole time for the answer to each delivery', async () => {
    const { bus, clock } = await openBus(await temporaryDirectory());
    await publishMany(bus, 1);
    const deliveries = await collect(bus);
    await arrived(deliveries, 1);
    deliveries[0]?.retry(10_000);
    clock.advance(10_000);
    await arrived(deliveries, 2);
    clock.advance(auditWriter.acknowledgeWithinMs - 1);
    await publishMany(bus, 1);
    await arrived(deliveries, 3);
    expect(deliveries.map((delivery) => delivery.deliveries)).toEqual([1, 2, 1]);
    clock.advance(1);
    await arrived(deliveries, 4);
    expect(deliveries[3]?.deliveries).toBe(3);
  });

  test('writes its position down a second after an event is settled', async () => {
    const directory = await temporaryDirectory();
    const { bus, clock } = await openBus(directory);
    await publishMany(bus, 3);
    const deliveries = await collect(bus);
    await arrived(deliveries, 3);
    deliveries[0]?.acknowledge();
    deliveries[2]?.acknowledge();
    clock.advance(CURSOR_SAVE_INTERVAL_MS);
    const path = join(directory, 'audit-writer.cursor.json');
    await waitFor(() => existsSync(path), { what: 'the cursor' });
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ position: 3, unsettled: [2] });
  });

  test('starts from the oldest event where its cursor is unreadable', async () => {
    const directory = await temporaryDirectory();
    const first = await openBus(directory);
    await publishMany(first.bus, 2);
    await first.hub.close();
    await writeFile(join(directory, 'audit-writer.cursor.json'), '{"position":');
    const { bus } = await openBus(directory);
    await arrived(await collect(bus, acknowledge), 2);
  });

  test('retries what a failing handler left, after a growing delay', async () => {
    const { bus, clock } = await openBus(await temporaryDirectory());
    const at: number[] = [];
    let last = clock.now();
    const handler = async ([first]: readonly Delivery[]) => {
      at.push(clock.now() - last);
      last = clock.now();
      if (first?.deliveries === 8) first.acknowledge();
      else throw new Error('the database is away');
    };
    await publishMany(bus, 1);
    await bus.consume(auditWriter, handler, { batchMax: 10, lingerMs: 0 });
    const step = () => {
      clock.advance(250);
      return at.length === 8;
    };
    await waitFor(step, {
      what: 'eight deliveries',
      intervalMs: 1,
    });
    const steps = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    for (const [index, stepMs] of steps.entries()) {
      expect(at[index + 1]).toBeGreaterThanOrEqual(stepMs);
      expect(at[index + 1]).toBeLessThan(stepMs + 1_000);
    }
    expect(await bus.backlog(auditWriter)).toEqual({ pending: 0, quarantined: 0 });
  });

  test('has at most so many events unsettled', async () => {
    const { bus } = await openBus(await temporaryDirectory());
    const { pendingMax } = auditWriter;
    await publishMany(bus, pendingMax + 1);
    // One batch would hold them all.
    const deliveries = await collect(bus, () => {}, pendingMax + 1);
    await arrived(deliveries, 1);
    expect(deliveries).toHaveLength(pendingMax);
    deliveries[0]?.acknowledge();
    await arrived(deliveries, pendingMax + 1);
    expect(new Set(deliveries.map(changeId)).size).toBe(pendingMax + 1);
  });

  test('keeps a quarantined event for good and does not see it again', async () => {
    const directory = await temporaryDirectory();
    const first = await openBus(directory);
    await publishMany(first.bus, 2);
    const before = await collect(first.bus);
    await arrived(before, 2);
    await before[0]?.quarantine('it is poison');
    expect(await first.bus.backlog(auditWriter)).toEqual({ pending: 1, quarantined: 1 });
    await first.hub.close();
    const { hub, bus } = await openBus(directory);
    expect(await bus.backlog(auditWriter)).toEqual({ pending: 1, quarantined: 1 });
    const deliveries = await collect(bus);
    await arrived(deliveries, 1);
    expect(deliveries.map(changeId)).toEqual([before[1] && changeId(before[1])]);
    await hub.close();
    const { found } = await openLog(join(directory, 'quarantine'));
    expect(found).toMatchObject([{ subject: subjects.quarantine('audit-writer') }]);
    expect(Buffer.from(found[0]?.bytes ?? [])).toEqual(before[0]?.bytes);
    expect(Object.values(found[0]?.headers ?? {})).toContain('it is poison');
  });

  test('hands out bytes that are no JSON', async () => {
    const directory = await temporaryDirectory();
    const { log } = await openLog(join(directory, 'events'));
    await log.append(logMessage('id', Buffer.from('{')));
    await log.close();
    const { bus } = await openBus(directory);
    const deliveries = await collect(bus);
    await arrived(deliveries, 1);
    expect(deliveries).toMatchObject([{ value: undefined, bytes: Buffer.from('{') }]);
  });

  test('counts a damaged event as quarantined, once', async () => {
    const directory = await temporaryDirectory();
    const first = await openBus(directory);
    await publishMany(first.bus, 3);
    await first.hub.close();
    const [name] = await readdir(join(directory, 'events'));
    const path = join(directory, 'events', name as string);
    const bytes = await readFile(path);
    bytes.fill(7, 100, 110);
    await writeFile(path, bytes);
    for (const _restart of [1, 2]) {
      const { hub, bus } = await openBus(directory);
      expect(await bus.backlog(auditWriter)).toEqual({ pending: 2, quarantined: 1 });
      await hub.close();
    }
  });

  test('refuses to settle an event twice', async () => {
    const { bus } = await openBus(await temporaryDirectory());
    await publishMany(bus, 1);
    const deliveries = await collect(bus, acknowledge);
    await arrived(deliveries, 1);
    expect(() => deliveries[0]?.acknowledge()).toThrow('failed to handle an event');
    expect(() => deliveries[0]?.retry(0)).toThrow('failed to handle an event');
    await expect(deliveries[0]?.quarantine('late')).rejects.toMatchObject({ code: 'internal' });
    expect(await bus.backlog(auditWriter)).toEqual({ pending: 0, quarantined: 0 });
  });

  test('gives each event to one of its subscriptions', async () => {
    const { bus, connect } = await openBus(await temporaryDirectory());
    const one = await collect(bus, acknowledge);
    const other = await collect(connect(), acknowledge);
    const events = await publishMany(bus, 200);
    await waitFor(() => one.length + other.length >= 200, { what: '200 deliveries' });
    const ids = [...one, ...other].map(changeId).sort();
    expect(ids).toEqual(events.map((event) => event.changeId).sort());
  });

  test('hands out to another what a dead service had taken', async () => {
    const { bus, clock, connect } = await openBus(await temporaryDirectory());
    await publishMany(bus, 1);
    const lost = await collect(bus);
    await arrived(lost, 1);
    (bus as InProcessBus).close();
    lost[0]?.acknowledge();
    const other = connect();
    const deliveries = await collect(other, acknowledge);
    expect(await other.backlog(auditWriter)).toEqual({ pending: 1, quarantined: 0 });
    clock.advance(auditWriter.acknowledgeWithinMs);
    await arrived(deliveries, 1);
    expect(deliveries[0]?.deliveries).toBe(2);
  });

  test('frees the disk of what is settled', async () => {
    const directory = await temporaryDirectory();
    const { bus } = await openBus(directory);
    const large = 'x'.repeat(200 * 1024);
    for (let count = 0; count < 100; count += 1) {
      await bus.publish({ ...controlEvent(), actorKeyId: large });
    }
    const segments = async () =>
      (await readdir(join(directory, 'events'))).filter((name) => name.endsWith('.segment'));
    expect(await segments()).toHaveLength(2);
    const deliveries = await collect(bus, acknowledge);
    await arrived(deliveries, 100);
    await waitFor(async () => (await segments()).length === 1, { what: 'one segment' });
  });

  test('finishes its batch when the bus is drained, and takes no other', async () => {
    const { bus, connect } = await openBus(await temporaryDirectory());
    await publishMany(bus, 3);
    const entered = Promise.withResolvers<void>();
    const leave = Promise.withResolvers<void>();
    const sizes: number[] = [];
    const handler = async (batch: readonly Delivery[]) => {
      sizes.push(batch.length);
      entered.resolve();
      await leave.promise;
      batch.forEach(acknowledge);
    };
    await bus.consume(auditWriter, handler, { batchMax: 2, lingerMs: 0 });
    await entered.promise;
    const drained = bus.drain();
    leave.resolve();
    await drained;
    expect(sizes).toEqual([2]);
    expect(await connect().backlog(auditWriter)).toEqual({ pending: 1, quarantined: 0 });
  });
});
