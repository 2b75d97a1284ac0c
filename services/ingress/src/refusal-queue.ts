/**
 * Refusals for want of a valid key are recorded behind the answer, through a bounded queue: a flood of
 * bad keys must not become a flood of durable writes, nor fill the spool in an outage. What does not fit is
 * counted, and logged.
 */
import type { Bus } from '@gateway/bus';
import type { FinishedEvent } from '@gateway/protocol';
import { getMeter, type Logger } from '@gateway/telemetry';

const WAITING_MAX = 256;
const REPORT_MS = 10_000;

const overflows = getMeter('ingress').createCounter('gateway.ingress.unrecorded_refusals', {
  description: 'Refusals without a valid key that did not fit the queue',
});

export class RefusalQueue implements AsyncDisposable {
  readonly #bus: Pick<Bus, 'publish'>;
  readonly #logger: Logger;
  readonly #waiting: FinishedEvent[] = [];
  #publishing: Promise<void> | undefined;
  #isDisposed = false;
  #unrecorded = 0;
  readonly #report: NodeJS.Timeout;

  constructor(bus: Pick<Bus, 'publish'>, logger: Logger) {
    this.#bus = bus;
    this.#logger = logger;
    this.#report = setInterval(() => this.#reportOverflow(), REPORT_MS).unref();
  }

  add(event: FinishedEvent): void {
    if (this.#waiting.length >= WAITING_MAX) {
      this.#countUnrecorded(1);
      return;
    }
    this.#waiting.push(event);
    this.#publishing ??= this.#publish();
  }

  /** Publishes what waits, as long as that goes well. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    clearInterval(this.#report);
    await this.#publishing;
    this.#reportOverflow();
  }

  async #publish(): Promise<void> {
    for (let event = this.#waiting.shift(); event; event = this.#waiting.shift()) {
      try {
        await this.#bus.publish(event);
      } catch {
        this.#countUnrecorded(1);
        // Every further one would take its own timeout to fail, and hold up the end of the process.
        if (this.#isDisposed) this.#countUnrecorded(this.#waiting.splice(0).length);
      }
    }
    // In the same turn as the last look at the queue, or what comes in between would stay in it.
    this.#publishing = undefined;
  }

  #countUnrecorded(count: number): void {
    this.#unrecorded += count;
    overflows.add(count);
  }

  #reportOverflow(): void {
    if (this.#unrecorded === 0) return;
    this.#logger.warn({ count: this.#unrecorded }, 'refusals without a valid key not recorded');
    this.#unrecorded = 0;
  }
}
