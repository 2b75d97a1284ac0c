/**
 * Publishing of the ingress' own events. What must be durable before something else happens is awaited;
 * the end of an answered request is published behind the answer and retried until it is stored.
 */
import type { Bus } from '@gateway/bus';
import { type FinishedEvent, GatewayError, type GatewayEvent } from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';

/** Events that wait behind answers. At the bound new requests are refused. */
const WAITING_MAX = 10_000;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 5_000;

export class Ledger implements AsyncDisposable {
  readonly #bus: Bus;
  readonly #logger: Logger;
  readonly #waiting = new Set<Promise<void>>();

  constructor(bus: Bus, logger: Logger) {
    this.#bus = bus;
    this.#logger = logger;
  }

  /** Throws `audit_unavailable` when a further request could not be recorded to its end. */
  admit(): void {
    if (this.#waiting.size >= WAITING_MAX) {
      throw new GatewayError('audit_unavailable', 'Requests cannot be recorded at the moment.', {
        detail: `${this.#waiting.size} events wait to be published`,
      });
    }
  }

  /** Resolves once the event is durable. Throws `audit_unavailable`. */
  async record(event: GatewayEvent): Promise<void> {
    await this.#bus.publish(event);
  }

  /** Publishes the event behind the answer, again and again until it is stored. */
  recordLater(event: FinishedEvent): void {
    const publishing = this.#publishUntilStored(event).finally(() => {
      this.#waiting.delete(publishing);
    });
    this.#waiting.add(publishing);
  }

  /** Resolves when nothing waits any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#waiting);
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
