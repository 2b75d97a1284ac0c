import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { slotAt, slotCounts, slotFreeAtMs } from './limits.ts';
import { Window } from './window.ts';

const WINDOW_MS = 60_000;
const NOW_MS = 1_000_500;

/** A minute with so many requests in these slots, of a second each. */
function openMinute(...counts: [slot: number, requests: number][]) {
  const window = new Window(WINDOW_MS);
  for (const [slot, requests] of counts) window.add(slot * 1_000, requests);
  return (amount: number) => window.state('a request', amount, NOW_MS);
}

describe('Window', () => {
  test('that is empty has everything', () => {
    expect(openMinute()(5)).toEqual({ remaining: 5, resetMs: 0, retryAfterMs: 0 });
  });

  test('counts the oldest slot whole and the one before it not at all', () => {
    const state = openMinute([1_000 - 61, 3], [1_000 - 60, 2], [1_000, 1]);
    expect(state(5)).toEqual({ remaining: 2, resetMs: 60_500, retryAfterMs: 0 });
  });

  test('waits for as many of the oldest slots as one more request needs', () => {
    const state = openMinute([990, 4], [960, 1], [970, 2]);
    expect(state(7).retryAfterMs).toBe(20_500);
    expect(state(6).retryAfterMs).toBe(30_500);
    expect(state(1).retryAfterMs).toBe(50_500);
  });

  test('has nothing left, and no less, when the amount was lowered below what is used', () => {
    expect(openMinute([1_000, 9])(5).remaining).toBe(0);
  });

  test('counts slots in the future', () => {
    expect(openMinute([5_000, 5])(5).remaining).toBe(0);
  });

  test('says what all of its counted requests say, in whatever order they were added', () => {
    const pastMs = fc.array(fc.nat({ max: 200_000 }), { maxLength: 20 });
    const gapsMs = fc.array(fc.nat({ max: 9_000 }), { maxLength: 200 });
    fc.assert(
      fc.property(pastMs, gapsMs, fc.integer({ min: 1, max: 20 }), (past, gaps, amount) => {
        const window = new Window(WINDOW_MS);
        const slots = past.map((agoMs) => slotAt(NOW_MS - agoMs, WINDOW_MS));
        for (const agoMs of past) window.add(NOW_MS - agoMs, 1);
        let nowMs = NOW_MS;
        for (const gapMs of gaps) {
          nowMs += gapMs;
          const counted = slots
            .filter((slot) => slotCounts(slot, nowMs, WINDOW_MS))
            .toSorted((left, right) => left - right);
          const freeInMs = (slot: number | undefined) =>
            slot === undefined ? 0 : slotFreeAtMs(slot, WINDOW_MS) - nowMs;
          expect(window.state('a request', amount, nowMs)).toEqual({
            remaining: Math.max(0, amount - counted.length),
            resetMs: freeInMs(counted.at(-1)),
            retryAfterMs: freeInMs(counted[counted.length - amount]),
          });
          window.take('a request', nowMs);
          slots.push(slotAt(nowMs, WINDOW_MS));
        }
      }),
    );
  });
});
