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

/** Three pings of the connection, two of which find out that it is dead. */
export const HANDED_OVER_MS = 15_000;
export const HANDED_OVER_MAX = 10_000;

export class HandedOverEvents {
  readonly #clock: Pick<Clock, 'now'>;
  /** By the time of the publish, oldest first. */
  readonly #events = new Map<HandedOver, number>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  add(handedOver: HandedOver): void {
    const now = this.#clock.now();
    this.#events.set(handedOver, now);
    for (const [one, at] of this.#events) {
      if (this.#events.size <= HANDED_OVER_MAX && at > now - HANDED_OVER_MS) return;
      this.#events.delete(one);
    }
  }

  /** Those that may be lost, once. */
  takeAll(): HandedOver[] {
    const from = this.#clock.now() - HANDED_OVER_MS;
    const recent = [...this.#events].filter(([, at]) => at > from);
    this.#events.clear();
    return recent.map(([handedOver]) => handedOver);
  }
}
