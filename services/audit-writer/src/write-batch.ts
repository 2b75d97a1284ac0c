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
import { again, type BatchPart, GrowingPart, mergeStatementsOf } from './batch-part.ts';
import { type BatchSpans, startBatchSpans } from './batch-spans.ts';
import { type Database, failureOf, isDuplicate, sqlState } from './database.ts';
import type { DatabaseOutage } from './database-outage.ts';
import type { Entry } from './entry.ts';
import { type Poison, readBatch } from './read-batch.ts';
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
  /** How long what is to be written waits for more, which shares its transaction. */
  readonly gatherMs: number;
}

export class BatchWriter {
  readonly #options: BatchWriterOptions;
  readonly #unfinished: UnfinishedRequests;
  /** What is written next, with rows made already. */
  readonly #gathered = new GrowingPart();
  #gatheredUntilMs = 0;
  /** Full parts, written at once. */
  #full: BatchPart[] = [];
  #last: Promise<void> = Promise.resolve();
  #waking: NodeJS.Timeout | undefined;
  /** Events in a transaction: halved by a timeout, doubled by a success. */
  #partMax = BATCH_MAX;

  constructor(options: BatchWriterOptions) {
    this.#options = options;
    this.#unfinished = new UnfinishedRequests(options.holdMs);
  }

  /** Resolves when all is settled but what waits, for the end of its request or for others. */
  readonly write: BatchHandler = (batch) =>
    this.#inTurn(async () => {
      const poison: Poison[] = [];
      for await (const read of readBatch(batch)) {
        this.#gather(this.#unfinished.take(read.entries, performance.now()));
        poison.push(...read.poison);
        for (const delivery of read.newer) delivery.retry(NEWER_SCHEMA_DELAY_MS);
        if (read.newer.length > 0) settledEvents.add(read.newer.length, { outcome: 'newer' });
      }
      await Promise.all([
        this.#writeAll(this.#takeDue(performance.now())),
        ...poison.map(({ delivery, reason }) => this.#quarantine(delivery, reason)),
      ]);
    });

  /** Writes what still waits. */
  flush(): Promise<void> {
    return this.#inTurn(async () => {
      this.#gather(this.#unfinished.takeAll());
      await this.#writeAll(this.#takeDue(Number.POSITIVE_INFINITY));
    });
  }

  #gather(entries: readonly Entry[]): void {
    for (let start = 0; start < entries.length; ) {
      if (this.#gathered.length === 0) {
        this.#gatheredUntilMs = performance.now() + this.#options.gatherMs;
      }
      const end = start + Math.max(1, this.#partMax - this.#gathered.length);
      this.#gathered.add(entries.slice(start, end));
      if (this.#gathered.length >= this.#partMax) this.#full.push(this.#gathered.take());
      start = end;
    }
  }

  /** Full parts, and what waited long enough for others. The last one is to be written first. */
  #takeDue(nowMs: number): BatchPart[] {
    const parts = this.#full;
    this.#full = [];
    if (this.#gathered.length > 0 && this.#gatheredUntilMs <= nowMs) {
      parts.push(this.#gathered.take());
    }
    return parts.reverse();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work).finally(() => this.#wakeForWaiting());
    this.#last = done.catch(() => {});
    return done;
  }

  /** The next batch takes what waits with it; this is for when none comes. */
  #wakeForWaiting(): void {
    clearTimeout(this.#waking);
    const held = this.#unfinished.isEmpty ? Number.POSITIVE_INFINITY : this.#options.holdMs;
    const gathered =
      this.#gathered.length === 0
        ? Number.POSITIVE_INFINITY
        : this.#gatheredUntilMs - performance.now();
    const delayMs = Math.min(held, gathered);
    if (delayMs === Number.POSITIVE_INFINITY) return;
    const writeDue = async () => {
      const nowMs = performance.now();
      this.#gather(this.#unfinished.take([], nowMs));
      await this.#writeAll(this.#takeDue(nowMs));
    };
    this.#waking = setTimeout(() => this.#inTurn(writeDue).catch(() => {}), Math.max(1, delayMs));
  }

  async #writeAll(parts: BatchPart[]): Promise<void> {
    if (parts.length === 0) return;
    const startedAtMs = performance.now();
    const spans = startBatchSpans(parts.reduce((sum, part) => sum + part.deliveries.length, 0));
    try {
      await this.#writeUntil(startedAtMs + TRY_MAX_MS, parts, spans);
    } finally {
      spans.end();
      batchDuration.record((performance.now() - startedAtMs) / 1000);
    }
  }

  async #writeUntil(endMs: number, todo: BatchPart[], spans: BatchSpans): Promise<void> {
    for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
      try {
        await this.#commit(part);
        spans.committed(part.ends);
        continue;
      } catch (error) {
        const failure = failureOf(error);
        const { deliveries } = part;
        const [first] = deliveries;
        if (failure === 'data') this.#options.outage.end('writing');
        if (failure !== 'unavailable' && deliveries.length > 1) {
          const half = Math.ceil(deliveries.length / 2);
          if (failure === 'slow') this.#partMax = half;
          todo.push(...(await again(part, half)));
        } else if (failure === 'data' && first !== undefined) {
          const reason = `the database refuses it with SQLSTATE ${sqlState(error)}`;
          await this.#quarantine(first, reason);
          continue;
        } else {
          todo.push(...(await again(part)));
          this.#options.outage.begin('writing', error);
          await delay(TRY_AGAIN_MS, undefined, { signal: this.#options.signal }).catch(() => {});
        }
      }
      if (performance.now() >= endMs || this.#options.signal.aborted) return giveBack(todo);
    }
  }

  async #commit(part: BatchPart): Promise<void> {
    await this.#store(part);
    for (const delivery of part.deliveries) delivery.acknowledge();
    settledEvents.add(part.deliveries.length, { outcome: 'written' });
    this.#options.outage.end('writing');
    this.#options.outage.end('probing');
    this.#partMax = Math.min(this.#partMax * 2, BATCH_MAX);
  }

  async #store(part: BatchPart): Promise<void> {
    const { database } = this.#options;
    try {
      await database.write(part.statements);
    } catch (error) {
      // Another writer had some of these events, or this one before it could acknowledge them.
      if (!isDuplicate(error)) throw error;
      await database.write(await mergeStatementsOf(part));
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

function giveBack(parts: readonly BatchPart[]): void {
  for (const { deliveries } of parts) {
    for (const delivery of deliveries) delivery.retry(GIVE_BACK_DELAY_MS);
  }
}
