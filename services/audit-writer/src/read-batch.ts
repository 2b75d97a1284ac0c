import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Delivery } from '@gateway/bus';
import type { Entry } from './entry.ts';
import { readDelivery } from './read-delivery.ts';

/** Events read in one turn of the event loop, which others share: about a millisecond. */
export const READ_AT_ONCE = 200;

/** An event that can never be stored. */
export interface Poison {
  readonly delivery: Delivery;
  readonly reason: string;
}

export interface ReadEvents {
  readonly entries: readonly Entry[];
  readonly poison: readonly Poison[];
  /** Of a newer schema. */
  readonly newer: readonly Delivery[];
}

/**
 * What can be stored, what never can, and what a newer writer can, of a few events at a time: what was
 * read of them can be written, and let go, before the next are read.
 */
export async function* readBatch(batch: readonly Delivery[]): AsyncGenerator<ReadEvents> {
  for (let start = 0; start < batch.length; start += READ_AT_ONCE) {
    if (start > 0) await nextTurn();
    yield readEvents(batch.slice(start, start + READ_AT_ONCE));
  }
}

function readEvents(deliveries: readonly Delivery[]): ReadEvents {
  const entries: Entry[] = [];
  const poison: Poison[] = [];
  const newer: Delivery[] = [];
  for (const delivery of deliveries) {
    const reading = readDelivery(delivery);
    if (reading.verdict === 'good') entries.push(reading.entry);
    else if (reading.verdict === 'poison') poison.push({ delivery, reason: reading.reason });
    else newer.push(delivery);
  }
  return { entries, poison, newer };
}
