/**
 * The slots that running requests hold of limits of concurrency. Slots are leased: they are renewed
 * while their request runs, and given back when it ends. Both are messages without an answer; a lost
 * one costs at most a lease.
 */
import type { Bus } from '@gateway/bus';
import {
  type HeldSlots,
  RENEWAL_BATCH_MAX,
  releaseSlotsEndpoint,
  renewSlotsEndpoint,
  SLOT_LEASE_MS,
} from '@gateway/protocol';
import { InFlightMap } from '@gateway/runtime';

/** Two renewals may be lost before a lease ends. */
export const RENEWAL_INTERVAL_MS = SLOT_LEASE_MS / 3;

export class SlotKeeper implements Disposable {
  readonly #bus: Pick<Bus, 'send'>;
  readonly #held = new InFlightMap<string, HeldSlots>();
  readonly #timer: NodeJS.Timeout;

  constructor(bus: Pick<Bus, 'send'>) {
    this.#bus = bus;
    this.#timer = setInterval(() => this.#renew(), RENEWAL_INTERVAL_MS).unref();
  }

  hold(slots: HeldSlots): void {
    this.#held.set(slots.requestId, slots);
  }

  /** What the limiter has refused to give need not be given back. */
  forget(requestId: string): void {
    this.#held.delete(requestId);
  }

  /** Gives back what the request holds, if it holds anything. */
  release(requestId: string): void {
    const slots = this.#held.get(requestId);
    if (slots === undefined) return;
    this.#held.delete(requestId);
    this.#bus.send(releaseSlotsEndpoint, { value: slots });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #renew(): void {
    const held = [...this.#held.values()];
    for (let start = 0; start < held.length; start += RENEWAL_BATCH_MAX) {
      const batch = held.slice(start, start + RENEWAL_BATCH_MAX);
      this.#bus.send(renewSlotsEndpoint, { value: { held: batch } });
    }
  }
}
