/**
 * Publishing of the ingress' own events. What must be durable before something else happens is awaited;
 * the end of an answered request is published behind the answer and retried until it is stored.
 */
import type { Bus } from '@gateway/bus';
import { type FinishedEvent, GatewayError, type GatewayEvent } from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';

/** Events that wait behind answers. At the bound new requests are refused. */
const ADMIT_WAITING_MAX = 10_000;
/** Requests that run when that bound is reached still end; the bus lets about 2,000 run at once. */
const WAITING_MAX = 12_500;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 5_000;

export interface LedgerBounds {
  readonly admitWaitingMax?: number;
  readonly waitingMax?: number;
}

export class Ledger implements AsyncDisposable {
  readonly #bus: Pick<Bus, 'publish'>;
  readonly #logger: Logger;
  readonly #admitWaitingMax: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<Promise<void>>();

  constructor(bus: Pick<Bus, 'publish'>, logger: Logger, bounds: LedgerBounds = {}) {
    this.#bus = bus;
    this.#logger = logger;
    this.#admitWaitingMax = bounds.admitWaitingMax ?? ADMIT_WAITING_MAX;
    this.#waitingMax = bounds.waitingMax ?? WAITING_MAX;
  }

  /** Whether a further request could be recorded to its end. */
  get isFull(): boolean {
    return this.#waiting.size >= this.#admitWaitingMax;
  }

  /** Throws `audit_unavailable` when the ledger is full. */
  admit(): void {
    if (!this.isFull) return;
    throw new GatewayError('audit_unavailable', 'Requests cannot be recorded at the moment.', {
      detail: `${this.#waiting.size} events wait to be published`,
    });
  }

  /** Resolves once the event is durable. Throws `audit_unavailable`. */
  async record(event: GatewayEvent): Promise<void> {
    await this.#bus.publish(event);
  }

  /** Publishes the event behind the answer, again and again until it is stored. */
  recordLater(event: FinishedEvent): void {
    if (this.#waiting.size >= this.#waitingMax) {
      this.#logger.error({ request_id: event.requestId }, 'too many events wait, one is lost');
      return;
    }
    const publishing = this.#publishUntilStored(event).finally(() => {
      this.#waiting.delete(publishing);
    });
    this.#waiting.add(publishing);
  }

  /** Resolves when nothing waits any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
  }

  async #publishUntilStored(event: FinishedEvent): Promise<void> {
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      try {
        await this.#bus.publish(event);
        return;
      } catch (error) {
        this.#logger.warn({ error, request_id: event.requestId }, 'event not stored, trying again');
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}
