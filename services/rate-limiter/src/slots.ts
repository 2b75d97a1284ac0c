import type { Counter, CounterState } from './counter.ts';
import { ExpiringMap } from './expiring-map.ts';
import { RELEASE_MEMORY_MS, SLOT_RETRY_AFTER_MS } from './limit-store.ts';

/**
 * The slots of one scope in the memory of this process, each held for a lease. A release is
 * remembered for a while, so that a message that it overtook does not take the slot again.
 *
 * `reserve.lua`, `renew.lua` and `release.lua` do the same inside Redis.
 */
export class Slots implements Counter {
  readonly #leaseMs: number;
  readonly #membersMax: number;
  /** Ends by request id. Each is set anew at the end of the map, so the first ends first. */
  readonly #held = new Map<string, number>();
  /** No slot that is held ends before this moment, so looking for one earlier is in vain. */
  #firstEndMs = Number.POSITIVE_INFINITY;
  readonly #released = new ExpiringMap<true>();
  #freeAtMs = 0;

  constructor(leaseMs: number, membersMax: number) {
    this.#leaseMs = leaseMs;
    this.#membersMax = membersMax;
  }

  get freeAtMs(): number {
    return this.#freeAtMs;
  }

  state(requestId: string, amount: number, nowMs: number): CounterState {
    this.#drop(nowMs);
    const others = this.#held.size - (this.#held.has(requestId) ? 1 : 0);
    return {
      remaining: Math.max(0, amount - this.#held.size),
      resetMs: this.#held.size > 0 ? this.#leaseMs : 0,
      retryAfterMs: others < amount ? 0 : SLOT_RETRY_AFTER_MS,
    };
  }

  take(requestId: string, nowMs: number): void {
    if (!this.#released.has(requestId)) this.#hold(requestId, nowMs);
  }

  renew(requestId: string, nowMs: number): void {
    this.#drop(nowMs);
    if (this.#released.has(requestId)) return;
    if (this.#held.has(requestId) || this.#hasRoom) this.#hold(requestId, nowMs);
  }

  release(requestId: string, nowMs: number): void {
    this.#drop(nowMs);
    if (this.#released.has(requestId)) return;
    this.#held.delete(requestId);
    if (!this.#hasRoom) return;
    const endMs = nowMs + RELEASE_MEMORY_MS;
    this.#released.add(requestId, true, endMs);
    this.#freeAtMs = Math.max(this.#freeAtMs, endMs);
  }

  get #hasRoom(): boolean {
    return this.#held.size + this.#released.size < this.#membersMax;
  }

  #hold(requestId: string, nowMs: number): void {
    const endMs = nowMs + this.#leaseMs;
    this.#held.delete(requestId);
    this.#held.set(requestId, endMs);
    this.#firstEndMs = Math.min(this.#firstEndMs, endMs);
    this.#freeAtMs = Math.max(this.#freeAtMs, endMs);
  }

  #drop(nowMs: number): void {
    this.#released.drop(nowMs);
    if (nowMs < this.#firstEndMs) return;
    this.#firstEndMs = Number.POSITIVE_INFINITY;
    for (const [requestId, endMs] of this.#held) {
      if (endMs > nowMs) {
        this.#firstEndMs = endMs;
        return;
      }
      this.#held.delete(requestId);
    }
  }
}
