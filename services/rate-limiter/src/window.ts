import type { Counter, CounterState } from './counter.ts';
import { slotAt, slotCounts, slotFreeAtMs } from './limits.ts';

interface SlotCount {
  readonly slot: number;
  count: number;
}

/** Slots that no longer count, until they are cut off. */
const DROPPED_MAX = 64;

/** The requests of one scope in the memory of this process, by slot of the window. */
export class Window implements Counter {
  readonly #windowMs: number;
  /** Oldest first; those before `#first` no longer count. */
  readonly #slots: SlotCount[] = [];
  #first = 0;
  /** The sum of those that count. */
  #used = 0;
  #freeAtMs = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  get freeAtMs(): number {
    return this.#freeAtMs;
  }

  state(_requestId: string, amount: number, nowMs: number): CounterState {
    this.#drop(nowMs);
    const newest = this.#slots.at(-1);
    const resetMs = newest === undefined ? 0 : slotFreeAtMs(newest.slot, this.#windowMs) - nowMs;
    return {
      remaining: Math.max(0, amount - this.#used),
      resetMs,
      retryAfterMs: this.#used < amount ? 0 : this.#retryAfterMs(amount, nowMs),
    };
  }

  take(_requestId: string, nowMs: number): void {
    this.add(nowMs, 1);
  }

  /** Counts requests that were admitted at that moment. */
  add(atMs: number, requests: number): void {
    const slot = slotAt(atMs, this.#windowMs);
    this.#used += requests;
    this.#freeAtMs = Math.max(this.#freeAtMs, slotFreeAtMs(slot, this.#windowMs));
    // From the newest, which it nearly always is.
    let index = this.#slots.length;
    while (index > this.#first && (this.#slots[index - 1]?.slot ?? slot) > slot) index -= 1;
    const before = index > this.#first ? this.#slots[index - 1] : undefined;
    if (before?.slot === slot) before.count += requests;
    else this.#slots.splice(index, 0, { slot, count: requests });
  }

  #drop(nowMs: number): void {
    let oldest = this.#slots[this.#first];
    while (oldest !== undefined && !slotCounts(oldest.slot, nowMs, this.#windowMs)) {
      this.#used -= oldest.count;
      this.#first += 1;
      oldest = this.#slots[this.#first];
    }
    if (this.#first < DROPPED_MAX && this.#first < this.#slots.length) return;
    this.#slots.splice(0, this.#first);
    this.#first = 0;
  }

  /** As many of the oldest slots have to end as one more request needs. */
  #retryAfterMs(amount: number, nowMs: number): number {
    let excess = this.#used + 1 - amount;
    let waitMs = 0;
    for (let index = this.#first; excess > 0 && index < this.#slots.length; index += 1) {
      const { slot, count } = this.#slots[index] as SlotCount;
      excess -= count;
      waitMs = slotFreeAtMs(slot, this.#windowMs) - nowMs;
    }
    return waitMs;
  }
}
