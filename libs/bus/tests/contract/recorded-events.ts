import { consumers } from '@gateway/protocol';
import type { Delivery } from '../../src/bus.ts';
import type { Peers } from './bus-fixture.ts';

/** The request or change that an event is about. */
export function subjectOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if ('requestId' in value) return String(value.requestId);
  return 'changeId' in value ? String(value.changeId) : undefined;
}

/** Empties the event stream and returns the events of this request or change, in order. */
export async function eventsOf(peers: Peers, id: string): Promise<unknown[]> {
  const reader = await peers.connect('audit-writer');
  const events: unknown[] = [];
  const take = async (batch: readonly Delivery[]) => {
    for (const delivery of batch) {
      if (subjectOf(delivery.value) === id) events.push(delivery.value);
      delivery.acknowledge();
    }
  };
  const subscription = await reader.consume(consumers.auditWriter, take, {
    batchMax: 100,
    lingerMs: 1,
  });
  await emptied(reader);
  await subscription.drain();
  return events;
}

/** Resolves when everything published so far is settled. */
export async function emptied(reader: {
  backlog(consumer: typeof consumers.auditWriter): Promise<{ pending: number }>;
}): Promise<void> {
  // One question after the other: each is a round trip, so this is no busy loop.
  while ((await reader.backlog(consumers.auditWriter)).pending > 0);
}
