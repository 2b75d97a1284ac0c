import type { Delivery } from '@gateway/bus';
import type { Statement } from './database.ts';
import { type Entry, readDelivery } from './read-delivery.ts';
import { mergeStates, type RequestState } from './row.ts';
import { copyStatements, mergeStatements, type Rows } from './row-statements.ts';

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
export function mergeStatementsOf({ deliveries }: BatchPart): readonly Statement[] {
  return mergeStatements(rowsOf(readAgain(deliveries)));
}

async function partOf(entries: readonly Entry[]): Promise<BatchPart> {
  return {
    deliveries: entries.map(({ delivery }) => delivery),
    ends: entries.filter(isTrueEnd).map(({ delivery }) => delivery),
    statements: await copyStatements(rowsOf(entries)),
  };
}

function isTrueEnd({ event }: Entry): boolean {
  return event.kind === 'finished' && !event.assumed;
}

/** What could be read once can be read again. */
function readAgain(deliveries: readonly Delivery[]): Entry[] {
  return deliveries.flatMap((delivery) => {
    const reading = readDelivery(delivery);
    return reading.verdict === 'good' ? reading.entry : [];
  });
}

function rowsOf(entries: readonly Entry[]): Rows {
  const states = new Map<string, RequestState>();
  for (const { state } of entries) {
    if (state === undefined) continue;
    const other = states.get(state.requestId);
    states.set(state.requestId, other === undefined ? state : mergeStates(other, state));
  }
  return {
    states: [...states.values()],
    changes: entries.flatMap(({ change }) => change ?? []),
  };
}
