/**
 * Records of the ingress' own events. What must be durable before something else happens is awaited; the
 * end of an answered request is recorded behind the answer. The bus spools what JetStream does not take,
 * so trying again here is for a spool that is full or a disk that fails. What is refused for another
 * reason always will be, and waiting for it would only keep the process from ending.
 */
import type { Bus } from '@gateway/bus';
import {
  type AttemptedEvent,
  type FinishedEvent,
  GatewayError,
  type GatewayEvent,
  toGatewayError,
} from '@gateway/protocol';
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

type Recorder = Pick<Bus, 'record' | 'spool'>;

export class Ledger implements AsyncDisposable {
  readonly #bus: Recorder;
  readonly #logger: Logger;
  readonly #admitWaitingMax: number;
  readonly #waitingMax: number;
  #waiting = 0;
  #noneWaits: (() => void) | undefined;

  constructor(bus: Recorder, logger: Logger, bounds: LedgerBounds = {}) {
    this.#bus = bus;
    this.#logger = logger;
    this.#admitWaitingMax = bounds.admitWaitingMax ?? ADMIT_WAITING_MAX;
    this.#waitingMax = bounds.waitingMax ?? WAITING_MAX;
  }

  /** Why a further request might not be recorded to its end, or undefined. */
  get outage(): string | undefined {
    if (this.#waiting >= this.#admitWaitingMax) {
      return `${this.#waiting} events wait to be recorded`;
    }
    const { admits, events, bytes } = this.#bus.spool;
    return admits ? undefined : `${events} events wait in the spool, ${bytes} bytes`;
  }

  /** Throws `audit_unavailable` in an outage. */
  admit(): void {
    const { outage: detail } = this;
    if (detail === undefined) return;
    throw new GatewayError('audit_unavailable', 'Requests cannot be recorded at the moment.', {
      detail,
    });
  }

  /** Resolves once the event is stored or spooled. Throws `audit_unavailable`. */
  async record(event: GatewayEvent): Promise<void> {
    await this.#bus.record(event);
  }

  /** Records the event behind the answer, again and again while it is `audit_unavailable`. */
  recordLater(event: AttemptedEvent | FinishedEvent): void {
    if (this.#waiting >= this.#waitingMax) {
      this.#logger.error({ request_id: event.requestId }, 'too many events wait, one is lost');
      return;
    }
    this.#waiting += 1;
    void this.#recordAtLast(event);
  }

  /** Resolves when nothing waits any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#waiting > 0) {
      await new Promise<void>((resolve) => {
        this.#noneWaits = resolve;
      });
    }
  }

  async #recordAtLast(event: AttemptedEvent | FinishedEvent): Promise<void> {
    for (let delayMs = RETRY_MS_MIN; ; delayMs = Math.min(delayMs * 2, RETRY_MS_MAX)) {
      try {
        await this.#bus.record(event, { mayWait: true });
        break;
      } catch (error) {
        if (this.#isLost(event, error)) break;
      }
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
    this.#waiting -= 1;
    if (this.#waiting === 0) this.#noneWaits?.();
  }

  /** Whether trying again could not help either. */
  #isLost({ requestId }: AttemptedEvent | FinishedEvent, error: unknown): boolean {
    const fields = { error, request_id: requestId };
    const isLost = toGatewayError(error).code !== 'audit_unavailable';
    if (isLost) this.#logger.error(fields, 'an event is lost');
    else this.#logger.warn(fields, 'event not recorded, trying again');
    return isLost;
  }
}
