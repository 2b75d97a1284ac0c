/**
 * Events that were published for a caller, who alone hears whether they were stored. When the connection
 * is lost, the publish may be lost with it, and the caller with both; so they are kept for as long as a
 * link may be dead before that is noticed, and recorded again then, under the same id.
 */
import type { AttemptedEvent } from '@gateway/protocol';
import type { Clock } from '../calls/clock.ts';

export interface HandedOver {
  readonly event: AttemptedEvent;
  readonly caller: string;
  /** Of the frame after the last one of the call. */
  readonly sequence: number;
}

interface Published {
  readonly handedOver: HandedOver;
  /** In milliseconds since 1970. */
  readonly at: number;
}

/** Three pings of the connection, two of which find out that it is dead. */
export const HANDED_OVER_MS = 15_000;
export const HANDED_OVER_MAX = 10_000;

export class HandedOverEvents {
  readonly #clock: Pick<Clock, 'now'>;
  /** The oldest first, from `#oldest` on: what is before it is forgotten. */
  #events: (Published | undefined)[] = [];
  #oldest = 0;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  add(handedOver: HandedOver): void {
    const now = this.#clock.now();
    this.#events.push({ handedOver, at: now });
    for (; this.#oldest < this.#events.length; this.#oldest += 1) {
      const isTooMany = this.#events.length - this.#oldest > HANDED_OVER_MAX;
      if (!isTooMany && (this.#events[this.#oldest]?.at ?? 0) > now - HANDED_OVER_MS) break;
      this.#events[this.#oldest] = undefined;
    }
    if (this.#oldest * 2 <= this.#events.length) return;
    this.#events = this.#events.slice(this.#oldest);
    this.#oldest = 0;
  }

  /** Those that may be lost, once. */
  takeAll(): HandedOver[] {
    const from = this.#clock.now() - HANDED_OVER_MS;
    const events = this.#events;
    this.#events = [];
    this.#oldest = 0;
    return events.flatMap((one) => (one !== undefined && one.at > from ? [one.handedOver] : []));
  }
}
