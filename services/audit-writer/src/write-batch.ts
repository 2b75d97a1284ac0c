/**
 * Writes the events of a batch in one transaction and acknowledges them after its commit, so that
 * nothing acknowledged is lost and what is delivered again changes nothing.
 *
 * - An event that can never be stored is quarantined and the rest is written. Where the database
 *   finds the fault, halving the batch finds the event.
 * - An event of a newer schema waits for a newer writer.
 * - While the database is away the batch is held and tried again, then given back to the bus.
 * - What belongs to a request without an end waits a little for it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { BatchHandler, Delivery } from '@gateway/bus';
import { getMeter, type Logger } from '@gateway/telemetry';
import { type BatchSpans, startBatchSpans } from './batch-spans.ts';
import { type Database, failureOf, isDuplicate, sqlState } from './database.ts';
import type { DatabaseOutage } from './database-outage.ts';
import { type Entry, readDelivery } from './read-delivery.ts';
import { mergeStates, type RequestState } from './row.ts';
import { copyStatements, mergeStatements, type Rows } from './row-statements.ts';
import { UnfinishedRequests } from './unfinished-requests.ts';

export const BATCH_MAX = 1_500;
/**
 * How long a batch is tried. With what it waited before and one statement that times out, less than
 * a delivery may take to be acknowledged.
 */
const TRY_MAX_MS = 4_000;
const TRY_AGAIN_MS = 250;
const GIVE_BACK_DELAY_MS = 1_000;
const NEWER_SCHEMA_DELAY_MS = 60_000;

const meter = getMeter('audit-writer');
const settledEvents = meter.createCounter('gateway.audit.events', {
  description: 'Events taken from the stream, by what became of them',
});
const batchDuration = meter.createHistogram('gateway.audit.batch.duration', {
  unit: 's',
  description: 'Time from a batch to its commit',
  advice: { explicitBucketBoundaries: [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15, 30] },
});

export interface BatchWriterOptions {
  readonly database: Database;
  readonly outage: DatabaseOutage;
  readonly logger: Logger;
  /** Ends the holding of batches. */
  readonly signal: AbortSignal;
  /** How long an event waits for the end of its request. */
  readonly holdMs: number;
}

export class BatchWriter {
  readonly #options: BatchWriterOptions;
  readonly #unfinished: UnfinishedRequests;
  #last: Promise<void> = Promise.resolve();
  #holding: NodeJS.Timeout | undefined;
  /** Events in a transaction: halved by a timeout, doubled by a success. */
  #partMax = BATCH_MAX;

  constructor(options: BatchWriterOptions) {
    this.#options = options;
    this.#unfinished = new UnfinishedRequests(options.holdMs);
  }

  /** Resolves when all is settled but what waits for the end of its request. */
  readonly write: BatchHandler = (batch) =>
    this.#inTurn(async () => {
      const { entries, poison } = readAll(batch);
      const due = this.#unfinished.take(entries, performance.now());
      await Promise.all([
        this.#writeDue(due),
        ...poison.map(({ delivery, reason }) => this.#quarantine(delivery, reason)),
      ]);
    });

  /** Writes what still waits. */
  flush(): Promise<void> {
    return this.#inTurn(() => this.#writeDue(this.#unfinished.takeAll()));
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work).finally(() => this.#wakeForHeld());
    this.#last = done.catch(() => {});
    return done;
  }

  /** The next batch takes what waits with it; this is for when none comes. */
  #wakeForHeld(): void {
    clearTimeout(this.#holding);
    if (this.#unfinished.isEmpty) return;
    const writeDue = () => this.#writeDue(this.#unfinished.take([], performance.now()));
    this.#holding = setTimeout(() => this.#inTurn(writeDue).catch(() => {}), this.#options.holdMs);
  }

  async #writeDue(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const startedAtMs = performance.now();
    const spans = startBatchSpans(entries.length);
    try {
      await this.#writeAll(entries, startedAtMs + TRY_MAX_MS, spans);
    } finally {
      spans.end();
      batchDuration.record((performance.now() - startedAtMs) / 1000);
    }
  }

  async #writeAll(entries: readonly Entry[], tryUntilMs: number, spans: BatchSpans): Promise<void> {
    const todo = inParts(entries, this.#partMax);
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      try {
        await this.#commit(part);
        spans.committed(part);
        continue;
      } catch (error) {
        const failure = failureOf(error);
        const [first] = part;
        if (failure === 'data') this.#options.outage.end('writing');
        if (failure !== 'unavailable' && part.length > 1) {
          if (failure === 'slow') this.#partMax = Math.ceil(part.length / 2);
          todo.push(...inParts(part, Math.ceil(part.length / 2)));
        } else if (failure === 'data' && first !== undefined) {
          const reason = `the database refuses it with SQLSTATE ${sqlState(error)}`;
          await this.#quarantine(first.delivery, reason);
          continue;
        } else {
          todo.push(part);
          this.#options.outage.begin('writing', error);
          await delay(TRY_AGAIN_MS, undefined, { signal: this.#options.signal }).catch(() => {});
        }
      }
      if (performance.now() >= tryUntilMs || this.#options.signal.aborted) return giveBack(todo);
    }
  }

  async #commit(part: readonly Entry[]): Promise<void> {
    const states = new Map<string, RequestState>();
    for (const { state } of part) {
      if (state === undefined) continue;
      const other = states.get(state.requestId);
      states.set(state.requestId, other === undefined ? state : mergeStates(other, state));
    }
    const changes = part.flatMap(({ change }) => change ?? []);
    await this.#store({ states: [...states.values()], changes });
    for (const { delivery } of part) delivery.acknowledge();
    settledEvents.add(part.length, { outcome: 'written' });
    this.#options.outage.end('writing');
    this.#options.outage.end('probing');
    this.#partMax = Math.min(this.#partMax * 2, BATCH_MAX);
  }

  async #store(rows: Rows): Promise<void> {
    const { database } = this.#options;
    try {
      await database.write(copyStatements(rows));
    } catch (error) {
      // Another writer had some of these events, or this one before it could acknowledge them.
      if (!isDuplicate(error)) throw error;
      await database.write(mergeStatements(rows));
    }
  }

  async #quarantine(delivery: Delivery, reason: string): Promise<void> {
    try {
      await delivery.quarantine(reason);
    } catch (error) {
      this.#options.logger.warn({ error }, 'an event cannot be quarantined now');
      delivery.retry(GIVE_BACK_DELAY_MS);
      return;
    }
    this.#options.logger.error({ reason }, 'an event was quarantined');
    settledEvents.add(1, { outcome: 'quarantined' });
  }
}

interface Poison {
  readonly delivery: Delivery;
  readonly reason: string;
}

/** What can be stored and what never can; events of a newer schema are given back. */
function readAll(batch: readonly Delivery[]): { entries: Entry[]; poison: Poison[] } {
  const entries: Entry[] = [];
  const poison: Poison[] = [];
  for (const delivery of batch) {
    const reading = readDelivery(delivery);
    if (reading.verdict === 'good') entries.push(reading.entry);
    else if (reading.verdict === 'poison') poison.push({ delivery, reason: reading.reason });
    else {
      delivery.retry(NEWER_SCHEMA_DELAY_MS);
      settledEvents.add(1, { outcome: 'newer' });
    }
  }
  return { entries, poison };
}

function inParts(entries: readonly Entry[], lengthMax: number): Entry[][] {
  const parts: Entry[][] = [];
  for (let start = 0; start < entries.length; start += lengthMax) {
    parts.push(entries.slice(start, start + lengthMax));
  }
  // The next one is taken from the end.
  return parts.reverse();
}

function giveBack(parts: readonly (readonly Entry[])[]): void {
  for (const { delivery } of parts.flat()) delivery.retry(GIVE_BACK_DELAY_MS);
}
