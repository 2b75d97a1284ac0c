import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SLOTS, slotAt, slotCounts, slotFreeAtMs, windowState } from './limits.ts';

const windowMs = fc.integer({ min: 1, max: 31 * 24 * 60 * 60 }).map((seconds) => seconds * 1000);
const moment = fc.integer({ min: 0, max: 4e12 });

describe('slotFreeAtMs', () => {
  test('is the first millisecond in which the slot no longer counts', () => {
    fc.assert(
      fc.property(moment, windowMs, (atMs, length) => {
        const slot = slotAt(atMs, length);
        const freeAtMs = slotFreeAtMs(slot, length);
        expect(slotCounts(slot, freeAtMs - 1, length)).toBe(true);
        expect(slotCounts(slot, freeAtMs, length)).toBe(false);
      }),
    );
  });

  test('lies one window to one window and a slot after any moment of the slot', () => {
    fc.assert(
      fc.property(moment, windowMs, (atMs, length) => {
        const heldMs = slotFreeAtMs(slotAt(atMs, length), length) - atMs;
        expect(heldMs).toBeGreaterThan(length);
        expect(heldMs).toBeLessThanOrEqual(Math.ceil((length * (SLOTS + 1)) / SLOTS));
      }),
    );
  });
});

describe('windowState', () => {
  const minute = { amount: 5, windowMs: 60_000 };

  test('of an empty window has everything', () => {
    const state = windowState(new Map(), minute, 1_000_500);
    expect(state).toEqual({ used: 0, remaining: 5, resetMs: 0, retryAfterMs: 0 });
  });

  test('counts the oldest slot whole and the one before it not at all', () => {
    const nowMs = 1_000_500;
    const counts = new Map([
      [1_000 - 61, 3],
      [1_000 - 60, 2],
      [1_000, 1],
    ]);
    const state = windowState(counts, minute, nowMs);
    expect(state).toEqual({ used: 3, remaining: 2, resetMs: 60_500, retryAfterMs: 0 });
  });

  test('waits for as many of the oldest slots as one more request needs', () => {
    const nowMs = 1_000_500;
    const counts = new Map([
      [990, 4],
      [960, 1],
      [970, 2],
    ]);
    expect(windowState(counts, { ...minute, amount: 7 }, nowMs).retryAfterMs).toBe(20_500);
    expect(windowState(counts, { ...minute, amount: 6 }, nowMs).retryAfterMs).toBe(30_500);
    expect(windowState(counts, { ...minute, amount: 1 }, nowMs).retryAfterMs).toBe(50_500);
  });

  test('has nothing left, and no less, when the amount was lowered below what is used', () => {
    expect(windowState(new Map([[1_000, 9]]), minute, 1_000_500).remaining).toBe(0);
  });

  test('counts slots in the future, so a clock that is set back frees nothing', () => {
    expect(windowState(new Map([[5_000, 5]]), minute, 1_000_500).remaining).toBe(0);
  });
});
