import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Delivery } from '@gateway/bus';
import type { Statement } from './database.ts';
import type { Entry } from './entry.ts';
import type { ControlColumns } from './event-columns.ts';
import { GatheredRows } from './gathered-rows.ts';
import { stateOfAll } from './gathered-state.ts';
import { readDelivery } from './read-delivery.ts';
import { mergeStates, type RequestState } from './row.ts';
import { mergeStatements } from './row-statements.ts';

/** Events read again in one turn of the event loop, which others share: about a millisecond. */
const READ_AGAIN_AT_ONCE = 200;

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

/** A part to which events are added as they are read. */
export class GrowingPart {
  readonly #rows = new GatheredRows();
  #deliveries: Delivery[] = [];
  #ends: Delivery[] = [];

  get length(): number {
    return this.#deliveries.length;
  }

  /** Those of one request should come together: others are merged, at three times the cost. */
  add(entries: readonly Entry[]): void {
    for (const { delivery, event, change } of entries) {
      this.#deliveries.push(delivery);
      if (event.kind === 'finished' && !event.assumed) this.#ends.push(delivery);
      if (change !== undefined) this.#rows.addChange(change);
    }
    for (const request of byRequest(entries)) this.#rows.add(stateOfAll(request));
  }

  /** What was added since it was taken last. */
  take(): BatchPart {
    const part = {
      deliveries: this.#deliveries,
      ends: this.#ends,
      statements: this.#rows.take(),
    };
    this.#deliveries = [];
    this.#ends = [];
    return part;
  }
}

/** The same events, in parts of at most so many that can be written again. The last one is the first. */
export async function again(
  { deliveries }: BatchPart,
  lengthMax = deliveries.length,
): Promise<BatchPart[]> {
  const parts: BatchPart[] = [];
  const part = new GrowingPart();
  for (let start = 0; start < deliveries.length; start += lengthMax) {
    for await (const entries of readAgain(deliveries.slice(start, start + lengthMax))) {
      part.add(entries);
    }
    parts.push(part.take());
  }
  return parts.reverse();
}

/** For rows of which the tables may hold some already. */
export async function mergeStatementsOf({ deliveries }: BatchPart): Promise<readonly Statement[]> {
  const states = new Map<string, RequestState>();
  const changes: ControlColumns[] = [];
  for await (const entries of readAgain(deliveries)) {
    for (const { change } of entries) if (change !== undefined) changes.push(change);
    for (const request of byRequest(entries)) {
      const state = stateOfAll(request);
      const other = states.get(state.requestId);
      states.set(state.requestId, other === undefined ? state : mergeStates(other, state));
    }
  }
  return mergeStatements({ states: [...states.values()], changes });
}

/** What could be read once can be read again. */
async function* readAgain(deliveries: readonly Delivery[]): AsyncGenerator<readonly Entry[]> {
  for (let start = 0; start < deliveries.length; start += READ_AGAIN_AT_ONCE) {
    if (start > 0) await nextTurn();
    yield deliveries.slice(start, start + READ_AGAIN_AT_ONCE).flatMap((delivery) => {
      const reading = readDelivery(delivery);
      return reading.verdict === 'good' ? reading.entry : [];
    });
  }
}

function byRequest(entries: readonly Entry[]): Iterable<readonly Entry[]> {
  const requests = new Map<string, Entry[]>();
  for (const entry of entries) {
    const { requestId } = entry;
    if (requestId === undefined) continue;
    const known = requests.get(requestId);
    if (known === undefined) requests.set(requestId, [entry]);
    else known.push(entry);
  }
  return requests.values();
}
