import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SLOTS, slotAt, slotCounts, slotFreeAtMs } from './limits.ts';

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
