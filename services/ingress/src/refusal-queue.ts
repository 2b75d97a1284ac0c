/**
 * Refusals for want of a valid key are recorded behind the answer, through a bounded queue: a flood of
 * bad keys must not become a flood of durable writes, nor fill the spool in an outage. What gets no
 * event of its own is counted, and one summary every 10 s says how many there were.
 */
import type { Bus } from '@gateway/bus';
import type { FinishedEvent } from '@gateway/protocol';
import { getMeter, type Logger } from '@gateway/telemetry';
import { refusalSummary } from './refusal-event.ts';

const WAITING_MAX = 256;
const SUMMARY_MS = 10_000;

const summarised = getMeter('ingress').createCounter('gateway.ingress.summarised_refusals', {
  description: 'Refusals without a valid key that have no row of their own in the audit',
});

/** Why a refusal has no event of its own. */
export type UnrecordedCause = 'queue_full' | 'not_stored' | 'too_many_failed_keys';

export interface RefusalQueueOptions {
  readonly bus: Pick<Bus, 'publish' | 'record'>;
  readonly logger: Logger;
  readonly configurationRevision: string;
}

export class RefusalQueue implements AsyncDisposable {
  readonly #options: RefusalQueueOptions;
  readonly #waiting: FinishedEvent[] = [];
  #publishing: Promise<void> | undefined;
  #isDisposed = false;
  #unrecorded = 0;
  /** Kept until it is stored, so that it is stored under one id however often that is tried. */
  #summary: FinishedEvent | undefined;
  #summarising: Promise<void> | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(options: RefusalQueueOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#summarise(), SUMMARY_MS).unref();
  }

  add(event: FinishedEvent): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.count('queue_full');
      return;
    }
    this.#waiting.push(event);
    this.#publishing ??= this.#publish();
  }

  /** Counts refusals for the next summary. */
  count(cause: UnrecordedCause, refusals = 1): void {
    this.#unrecorded += refusals;
    summarised.add(refusals, { cause });
  }

  /** Publishes what waits, as long as that goes well, and says how many were not. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    clearInterval(this.#timer);
    await this.#publishing;
    // One that could not be stored before, then what was counted since.
    await this.#summarise();
    if (this.#summary === undefined) await this.#summarise();
    const lost = (this.#summary?.refusals ?? 0) + this.#unrecorded;
    if (lost > 0) this.#options.logger.error({ count: lost }, 'refusals are in no summary');
  }

  async #publish(): Promise<void> {
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
      try {
        await this.#options.bus.publish(event);
      } catch {
        this.count('not_stored');
        // Every further one would take its own timeout to fail, and hold up the end of the process.
        if (this.#isDisposed) this.count('not_stored', this.#waiting.splice(0).length);
      }
    }
    // In the same turn as the last look at the queue, or what comes in between would stay in it.
    this.#publishing = undefined;
  }

  #summarise(): Promise<void> {
    this.#summarising ??= this.#recordSummary().finally(() => {
      this.#summarising = undefined;
    });
    return this.#summarising;
  }

  async #recordSummary(): Promise<void> {
    const { bus, logger, configurationRevision } = this.#options;
    if (this.#summary === undefined) {
      if (this.#unrecorded === 0) return;
      this.#summary = refusalSummary(this.#unrecorded, configurationRevision);
      this.#unrecorded = 0;
      logger.warn({ count: this.#summary.refusals }, 'refusals without a valid key in one summary');
    }
    try {
      await bus.record(this.#summary);
      this.#summary = undefined;
    } catch (error) {
      logger.warn({ error }, 'summary of refusals not recorded');
    }
  }
}
