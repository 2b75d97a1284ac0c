/**
 * A sliding window of 60 slots. The slots stand still on the clock, so the window covers 60 of them
 * and part of one more, and that oldest one is counted whole: in no window of the length are there
 * ever more than the amount. The price is that a request is held against the limit for up to 61/60
 * of the window.
 *
 * `window.ts` counts so in memory, `reserve.lua` inside Redis.
 */
export const SLOTS = 60;

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
