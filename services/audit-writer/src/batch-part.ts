import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Delivery } from '@gateway/bus';
import type { Statement } from './database.ts';
import type { Entry } from './entry.ts';
import type { ControlColumns } from './event-columns.ts';
import { stateOfAll } from './gathered-state.ts';
import { readDelivery } from './read-delivery.ts';
import type { RequestState } from './row.ts';
import { copyStatements, mergeStatements, type Rows } from './row-statements.ts';

/** States made in one turn of the event loop, which others share: less than a millisecond. */
const STATES_AT_ONCE = 200;

/**
 * Events that are written in one transaction. It keeps their bytes alone: what was read of them would
 * outlive several collections while the database works, and be copied in each, at 10 KB a request.
 */
export interface BatchPart {
  readonly deliveries: readonly Delivery[];
  /** Those of them that are the true end of a request. */
  readonly ends: readonly Delivery[];
  /** They can be written once, see `Statement`. */
  readonly statements: readonly Statement[];
}

/** Parts of at most so many events; the last one is to be written first. */
export async function inParts(entries: readonly Entry[], lengthMax: number): Promise<BatchPart[]> {
  const parts: BatchPart[] = [];
  for (let start = 0; start < entries.length; start += lengthMax) {
    parts.push(await partOf(entries.slice(start, start + lengthMax)));
  }
  return parts.reverse();
}

/** The same events, in parts that can be written again. */
export function again(
  { deliveries }: BatchPart,
  lengthMax = deliveries.length,
): Promise<BatchPart[]> {
  return inParts(readAgain(deliveries), lengthMax);
}

/** For rows of which the tables may hold some already. */
export async function mergeStatementsOf({ deliveries }: BatchPart): Promise<readonly Statement[]> {
  return mergeStatements(await rowsOf(readAgain(deliveries)));
}

async function partOf(entries: readonly Entry[]): Promise<BatchPart> {
  const deliveries: Delivery[] = [];
  const ends: Delivery[] = [];
  for (const { delivery, event } of entries) {
    deliveries.push(delivery);
    if (event.kind === 'finished' && !event.assumed) ends.push(delivery);
  }
  return { deliveries, ends, statements: await copyStatements(await rowsOf(entries)) };
}

/** What could be read once can be read again. */
function readAgain(deliveries: readonly Delivery[]): Entry[] {
  return deliveries.flatMap((delivery) => {
    const reading = readDelivery(delivery);
    return reading.verdict === 'good' ? reading.entry : [];
  });
}

/** Whatever order the events are in, those of one request make one state. */
async function rowsOf(entries: readonly Entry[]): Promise<Rows> {
  const requests = new Map<string, Entry[]>();
  const changes: ControlColumns[] = [];
  for (const entry of entries) {
    const { requestId, change } = entry;
    if (requestId === undefined) {
      if (change !== undefined) changes.push(change);
      continue;
    }
    const known = requests.get(requestId);
    if (known === undefined) requests.set(requestId, [entry]);
    else known.push(entry);
  }
  const states: RequestState[] = [];
  for (const request of requests.values()) {
    if (states.length > 0 && states.length % STATES_AT_ONCE === 0) await nextTurn();
    states.push(stateOfAll(request));
  }
  return { states, changes };
}
