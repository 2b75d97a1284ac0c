import type { Counter } from './counter.ts';
import { slotAt, slotCounts, slotFreeAtMs, type WindowState, windowState } from './limits.ts';

/** The requests of one scope in the memory of this process, by slot of the window. */
export class Window implements Counter {
  readonly #windowMs: number;
  readonly #counts = new Map<number, number>();
  #freeAtMs = 0;

  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  get freeAtMs(): number {
    return this.#freeAtMs;
  }

  state(_requestId: string, amount: number, nowMs: number): WindowState {
    return windowState(this.#counts, { amount, windowMs: this.#windowMs }, nowMs);
  }

  take(_requestId: string, nowMs: number): void {
    for (const slot of this.#counts.keys()) {
      if (!slotCounts(slot, nowMs, this.#windowMs)) this.#counts.delete(slot);
    }
    this.add(nowMs, 1);
  }

  /** Counts requests that were admitted at that moment. */
  add(atMs: number, requests: number): void {
    const slot = slotAt(atMs, this.#windowMs);
    this.#counts.set(slot, (this.#counts.get(slot) ?? 0) + requests);
    this.#freeAtMs = Math.max(this.#freeAtMs, slotFreeAtMs(slot, this.#windowMs));
  }
}
