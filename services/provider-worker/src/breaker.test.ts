import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Breaker,
  type CallResult,
  FAILURES_MAX,
  OPEN_MAX_MS,
  OPEN_MIN_MS,
  type Passage,
  TRIAL_MAX_MS,
} from './breaker.ts';

function passed(breaker: Breaker, nowMs: number): Passage {
  const passage = breaker.pass(nowMs);
  if ('refusedForMs' in passage) throw new Error(`refused for ${passage.refusedForMs} ms`);
  return passage;
}

function tellAll(breaker: Breaker, results: readonly CallResult[], nowMs = 0): void {
  for (const result of results) passed(breaker, nowMs).tell(result, nowMs);
}

const failures = (count: number): CallResult[] => Array(count).fill('failure');

/** One that opened at 0. */
function opened(): Breaker {
  const breaker = new Breaker();
  tellAll(breaker, failures(FAILURES_MAX));
  return breaker;
}

describe('a closed breaker', () => {
  test('stays closed at one failure less than the most in a row, and opens at the most', () => {
    const breaker = new Breaker();
    tellAll(breaker, failures(FAILURES_MAX - 1));
    expect(breaker.isClosed).toBe(true);
    tellAll(breaker, ['failure']);
    expect(breaker.isClosed).toBe(false);
    expect(breaker.pass(0)).toEqual({ refusedForMs: OPEN_MIN_MS });
  });

  test('counts from the last success', () => {
    const breaker = new Breaker();
    tellAll(breaker, [...failures(FAILURES_MAX - 1), 'success']);
    expect(breaker.isFresh).toBe(true);
    tellAll(breaker, failures(FAILURES_MAX - 1));
    expect(breaker.isClosed).toBe(true);
  });

  test('takes no notice of a call that says neither', () => {
    const breaker = new Breaker();
    tellAll(breaker, [...failures(FAILURES_MAX - 1), 'neither']);
    expect(breaker.isClosed).toBe(true);
    expect(breaker.isFresh).toBe(false);
    tellAll(breaker, ['failure']);
    expect(breaker.isClosed).toBe(false);
  });

  test('counts a call once', () => {
    const breaker = new Breaker();
    const passage = passed(breaker, 0);
    for (let told = 0; told < FAILURES_MAX; told++) passage.tell('failure', 0);
    expect(breaker.isClosed).toBe(true);
  });
});

describe('an open breaker', () => {
  test('lets one call through once its time has passed, and only one', () => {
    const breaker = opened();
    expect(breaker.pass(OPEN_MIN_MS - 1)).toEqual({ refusedForMs: 1 });
    expect(passed(breaker, OPEN_MIN_MS).isTrial).toBe(true);
    expect(breaker.pass(OPEN_MIN_MS)).toEqual({ refusedForMs: TRIAL_MAX_MS });
  });

  test('is closed by the success of the trial', () => {
    const breaker = opened();
    passed(breaker, OPEN_MIN_MS).tell('success', OPEN_MIN_MS + 5);
    expect(breaker.isFresh).toBe(true);
    expect(passed(breaker, OPEN_MIN_MS + 5).isTrial).toBe(false);
  });

  test('waits twice as long after each failed trial, half a minute at most', () => {
    const breaker = opened();
    let nowMs = OPEN_MIN_MS;
    const waits: number[] = [];
    for (let trial = 0; trial < 7; trial++) {
      passed(breaker, nowMs).tell('failure', nowMs);
      const next = breaker.pass(nowMs);
      const waitMs = 'refusedForMs' in next ? next.refusedForMs : 0;
      waits.push(waitMs);
      nowMs += waitMs;
    }
    expect(waits).toEqual([2_000, 4_000, 8_000, 16_000, OPEN_MAX_MS, OPEN_MAX_MS, OPEN_MAX_MS]);
    passed(breaker, nowMs).tell('success', nowMs);
    tellAll(breaker, failures(FAILURES_MAX), nowMs);
    expect(breaker.pass(nowMs)).toEqual({ refusedForMs: OPEN_MIN_MS });
  });

  test('lets another call try at once when the trial says neither', () => {
    const breaker = opened();
    passed(breaker, OPEN_MIN_MS).tell('neither', OPEN_MIN_MS);
    passed(breaker, OPEN_MIN_MS).tell('failure', OPEN_MIN_MS);
    expect(breaker.pass(OPEN_MIN_MS)).toEqual({ refusedForMs: 2 * OPEN_MIN_MS });
  });

  test('does not wait for ever for a trial', () => {
    const breaker = opened();
    const silent = passed(breaker, OPEN_MIN_MS);
    expect(breaker.pass(OPEN_MIN_MS + TRIAL_MAX_MS - 1)).toEqual({ refusedForMs: 1 });
    passed(breaker, OPEN_MIN_MS + TRIAL_MAX_MS).tell('success', OPEN_MIN_MS + TRIAL_MAX_MS);
    silent.tell('failure', OPEN_MIN_MS + TRIAL_MAX_MS);
    expect(breaker.isFresh).toBe(true);
  });

  test('hears nothing of calls that began before it opened', () => {
    const breaker = new Breaker();
    const [early, late] = [passed(breaker, 0), passed(breaker, 0)];
    tellAll(breaker, failures(FAILURES_MAX));
    early.tell('success', 1);
    late.tell('failure', 1);
    expect(breaker.pass(1)).toEqual({ refusedForMs: OPEN_MIN_MS - 1 });
  });
});

test('whatever happens, it never refuses for longer than its most, and a success closes it', () => {
  const step = fc.record({
    afterMs: fc.nat(40_000),
    result: fc.constantFrom<CallResult>('success', 'failure', 'neither'),
    isToldLater: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const breaker = new Breaker();
      const untold: { passage: Passage; result: CallResult }[] = [];
      let nowMs = 0;
      for (const { afterMs, result, isToldLater } of steps) {
        nowMs += afterMs;
        const passage = breaker.pass(nowMs);
        if ('refusedForMs' in passage) {
          expect(passage.refusedForMs).toBeGreaterThan(0);
          expect(passage.refusedForMs).toBeLessThanOrEqual(Math.max(OPEN_MAX_MS, TRIAL_MAX_MS));
        } else if (isToldLater) {
          untold.push({ passage, result });
        } else {
          passage.tell(result, nowMs);
          if (result === 'success') expect(breaker.isFresh).toBe(true);
        }
        if (isToldLater === false) untold.pop()?.passage.tell(result, nowMs);
      }
      nowMs += Math.max(OPEN_MAX_MS, TRIAL_MAX_MS);
      passed(breaker, nowMs).tell('success', nowMs);
      expect(breaker.isFresh).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
