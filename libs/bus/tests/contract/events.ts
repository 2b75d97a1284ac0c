import { consumers, newRequestId } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Bus, Delivery } from '../../src/bus.ts';
import type { Peers } from './bus-fixture.ts';
import { emptied, eventsOf, subjectOf } from './recorded-events.ts';
import { controlEvent, finished, rejection } from './sample-messages.ts';

const consumer = consumers.auditWriter;
const LINGER_MS = 5;

/** The reader's view of the events: every delivery, settled as told. */
async function reading(
  reader: Bus,
  settle: (delivery: Delivery, id: string | undefined) => void | Promise<void>,
  batchMax = 50,
) {
  const batches: number[] = [];
  const subscription = await reader.consume(
    consumer,
    async (batch) => {
      batches.push(batch.length);
      for (const delivery of batch) await settle(delivery, subjectOf(delivery.value));
    },
    { batchMax, lingerMs: LINGER_MS },
  );
  return { batches, subscription };
}

export function eventCases(peers: Peers): void {
  describe('publish and consume', () => {
    beforeEach(async () => {
      // What other tests left.
      await eventsOf(peers, '');
    });

    test('delivers what was published, once though it was published twice', async () => {
      const ingress = await peers.connect('ingress');
      const event = controlEvent();
      await ingress.publish(event);
      await ingress.publish(event);
      expect(await eventsOf(peers, event.changeId)).toEqual([event]);
    });

    test('delivers what was recorded, once though it was published too', async () => {
      const ingress = await peers.connect('ingress');
      const event = controlEvent();
      await ingress.record(event);
      await ingress.publish(event);
      await ingress.record(event);
      expect(ingress.spool).toEqual({ events: 0, bytes: 0, admits: true });
      expect(await eventsOf(peers, event.changeId)).toEqual([event]);
    });

    test('gives the same value whenever it is asked for', async () => {
      const ingress = await peers.connect('ingress');
      const event = controlEvent();
      await ingress.publish(event);
      const values: unknown[] = [];
      const { subscription } = await reading(await peers.connect('audit-writer'), (delivery) => {
        if (delivery.deliveries === 1) values.push(delivery.value, delivery.value);
        if (delivery.deliveries === 1) delivery.retry(0);
        else {
          values.push(delivery.value);
          delivery.acknowledge();
        }
      });
      await waitFor(() => values.length === 3, { what: 'three readings' });
      await subscription.drain();
      expect(values).toEqual([event, event, event]);
    });

    test('records nothing once it is closed, and says that it never will', async () => {
      const ingress = await peers.connect('ingress');
      await ingress.drain();
      expect((await rejection(ingress.record(controlEvent()))).code).toBe('bus_unavailable');
    });

    test('hands out full batches of at most batchMax', async () => {
      const ingress = await peers.connect('ingress');
      const reader = await peers.connect('audit-writer');
      const events = Array.from({ length: 25 }, () => controlEvent());
      await Promise.all(events.map((event) => ingress.publish(event)));
      expect((await reader.backlog(consumer)).pending).toBeGreaterThan(0);
      const seen: string[] = [];
      const { batches } = await reading(
        reader,
        (delivery, id) => {
          seen.push(id ?? '');
          expect(delivery.deliveries).toBe(1);
          delivery.acknowledge();
        },
        10,
      );
      await emptied(reader);
      expect(seen.sort()).toEqual(events.map(({ changeId }) => changeId).sort());
      expect(batches).toEqual([10, 10, 5]);
    });

    test('delivers again what asks for it, with its count', async () => {
      const ingress = await peers.connect('ingress');
      const reader = await peers.connect('audit-writer');
      const counts: number[] = [];
      await reading(reader, (delivery) => {
        counts.push(delivery.deliveries);
        if (delivery.deliveries < 3) delivery.retry(1);
        else delivery.acknowledge();
      });
      await ingress.publish(controlEvent());
      await waitFor(() => counts.length === 3, { what: 'three deliveries' });
      await emptied(reader);
      expect(counts).toEqual([1, 2, 3]);
    });

    test('delivers again what a handler left unsettled when it threw', async () => {
      const ingress = await peers.connect('ingress');
      const reader = await peers.connect('audit-writer');
      const ids = [newRequestId(), newRequestId()];
      const seen: string[] = [];
      await reading(reader, (delivery, id) => {
        seen.push(`${id}:${delivery.deliveries}`);
        if (id === ids[1] && delivery.deliveries === 1) throw new Error('no room');
        delivery.acknowledge();
      });
      for (const id of ids) await ingress.publish(controlEvent(id));
      await waitFor(() => seen.includes(`${ids[1]}:2`), { what: 'the second delivery' });
      await emptied(reader);
      expect(seen).toEqual([`${ids[0]}:1`, `${ids[1]}:1`, `${ids[1]}:2`]);
    });

    test('quarantines an event and does not deliver it again', async () => {
      const ingress = await peers.connect('ingress');
      const reader = await peers.connect('audit-writer');
      const before = await reader.backlog(consumer);
      let deliveries = 0;
      await reading(reader, async (delivery) => {
        deliveries += 1;
        await delivery.quarantine('not a row: ü\r\n');
      });
      await ingress.publish(controlEvent());
      await waitFor(() => deliveries > 0, { what: 'the delivery' });
      await emptied(reader);
      const after = await reader.backlog(consumer);
      expect(after).toEqual({ pending: 0, quarantined: before.quarantined + 1 });
      expect(deliveries).toBe(1);
    });

    test('counts what is delivered and not settled as pending', async () => {
      const ingress = await peers.connect('ingress');
      const reader = await peers.connect('audit-writer');
      const held: Delivery[] = [];
      await reading(reader, (delivery) => void held.push(delivery));
      await ingress.publish(controlEvent());
      await waitFor(() => held.length === 1, { what: 'the delivery' });
      expect((await reader.backlog(consumer)).pending).toBe(1);
      held[0]?.acknowledge();
      await emptied(reader);
    });

    test('lets the audit-writer publish finished and keeps its marks', async () => {
      const reader = await peers.connect('audit-writer');
      const event = finished();
      await reader.publish(event);
      expect(await eventsOf(peers, event.requestId)).toEqual([event]);
    });

    test('loses nothing when the consumer is restarted under load', async () => {
      const ingress = await peers.connect('ingress');
      const ids = Array.from({ length: 600 }, newRequestId);
      const seen = new Map<string, number>();
      const settle = (delivery: Delivery, id: string | undefined) => {
        seen.set(id ?? '', (seen.get(id ?? '') ?? 0) + 1);
        delivery.acknowledge();
      };
      const first = await peers.connect('audit-writer');
      await reading(first, settle);
      const publishing = (async () => {
        for (const id of ids) await ingress.publish(controlEvent(id));
      })();
      await waitFor(() => seen.size > 50, { what: 'the first consumer to run' });
      await first.drain();
      const second = await peers.connect('audit-writer');
      await reading(second, settle);
      await publishing;
      await emptied(second);
      expect([...seen.keys()].sort()).toEqual(ids.sort());
    });
  });
}
