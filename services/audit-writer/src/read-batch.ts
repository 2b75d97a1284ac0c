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

export interface ReadBatch {
  readonly entries: readonly Entry[];
  readonly poison: readonly Poison[];
  /** Of a newer schema. */
  readonly newer: readonly Delivery[];
}

/** What can be stored, what never can, and what a newer writer can. */
export async function readBatch(batch: readonly Delivery[]): Promise<ReadBatch> {
  const entries: Entry[] = [];
  const poison: Poison[] = [];
  const newer: Delivery[] = [];
  for (const [index, delivery] of batch.entries()) {
    if (index > 0 && index % READ_AT_ONCE === 0) await nextTurn();
    const reading = readDelivery(delivery);
    if (reading.verdict === 'good') entries.push(reading.entry);
    else if (reading.verdict === 'poison') poison.push({ delivery, reason: reading.reason });
    else newer.push(delivery);
  }
  return { entries, poison, newer };
}
