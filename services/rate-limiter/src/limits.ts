/**
 * A sliding window of 60 slots. The slots stand still on the clock, so the window covers 60 of them
 * and part of one more, and that oldest one is counted whole: in no window of the length are there
 * ever more than the amount. The price is that a request is held against the limit for up to 61/60
 * of the window.
 *
 * `reserve.lua` computes the same inside Redis.
 */
import type { CounterState } from './counter.ts';

export const SLOTS = 60;

/** Requests by slot. */
export type SlotCounts = ReadonlyMap<number, number>;

export interface WindowLimit {
  readonly amount: number;
  readonly windowMs: number;
}

export interface WindowState extends CounterState {
  readonly used: number;
}

/** The slot that a moment (whole milliseconds) falls into. */
export function slotAt(atMs: number, windowMs: number): number {
  return Math.floor((atMs * SLOTS) / windowMs);
}

/** The first millisecond in which a slot no longer counts. */
export function slotFreeAtMs(slot: number, windowMs: number): number {
  return Math.ceil(((slot + SLOTS + 1) * windowMs) / SLOTS);
}

/** False once the slot is older than any window that ends now or later. */
export function slotCounts(slot: number, nowMs: number, windowMs: number): boolean {
  return slot >= slotAt(nowMs, windowMs) - SLOTS;
}

/**
 * What the counts mean for a limit. Slots in the future count too: a clock set back frees nothing.
 */
export function windowState(counts: SlotCounts, limit: WindowLimit, nowMs: number): WindowState {
  const { amount, windowMs } = limit;
  const counted = [...counts].filter(([slot]) => slotCounts(slot, nowMs, windowMs));
  counted.sort(([left], [right]) => left - right);
  const used = counted.reduce((sum, [, count]) => sum + count, 0);
  const newest = counted.at(-1);
  let excess = used + 1 - amount;
  let retryAfterMs = 0;
  for (const [slot, count] of counted) {
    if (excess <= 0) break;
    excess -= count;
    retryAfterMs = slotFreeAtMs(slot, windowMs) - nowMs;
  }
  return {
    used,
    remaining: Math.max(0, amount - used),
    resetMs: newest === undefined ? 0 : slotFreeAtMs(newest[0], windowMs) - nowMs,
    retryAfterMs,
  };
}
