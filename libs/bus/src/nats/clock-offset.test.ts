import { describe, expect, test } from 'vitest';
import { CLOCK_SKEW_MAX_MS } from '../bus.ts';
import { clockOffset, clockSkew } from './clock-offset.ts';

const offsetOf = (offsetMs: number, roundTripMs: number) =>
  clockOffset([{ askedAt: 1_000 + offsetMs - roundTripMs / 2, serverAt: 1_000, roundTripMs }]);

describe('clockOffset', () => {
  test('is that of the quickest answer, taken in its middle', () => {
    const samples = [
      { askedAt: 5_000, serverAt: 1_000, roundTripMs: 900 },
      { askedAt: 1_100, serverAt: 1_000, roundTripMs: 10 },
      { askedAt: 9_000, serverAt: 1_000, roundTripMs: 11 },
    ];
    expect(clockOffset(samples)).toEqual({ offsetMs: 105, uncertaintyMs: 5 });
  });

  test('is not known without an answer', () => {
    expect(clockOffset([])).toBeUndefined();
  });
});

describe('clockSkew', () => {
  test.each([1, -1])('is said beyond the bound, in direction %i', (direction) => {
    const at = (ms: number) => clockSkew(offsetOf(direction * ms, 0) as never);
    expect(at(CLOCK_SKEW_MAX_MS)).toBeUndefined();
    const where = direction > 0 ? 'ahead of' : 'behind';
    expect(at(CLOCK_SKEW_MAX_MS + 1)).toBe(`the clock is 251 ms ${where} that of nats-server`);
  });

  test('counts only what is certain', () => {
    expect(clockSkew(offsetOf(CLOCK_SKEW_MAX_MS + 50, 100) as never)).toBeUndefined();
    expect(clockSkew(offsetOf(CLOCK_SKEW_MAX_MS + 51, 100) as never)).toBeDefined();
  });
});
