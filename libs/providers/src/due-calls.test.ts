import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DueCalls } from './due-calls.ts';

/** Notes when its time had come, and leaves. */
function callIn(calls: DueCalls, afterMs: number) {
  const call = {
    dueAtMs: performance.now() + afterMs,
    endedAtMs: undefined as number | undefined,
    due() {
      call.endedAtMs = performance.now();
      calls.delete(call);
    },
  };
  calls.add(call);
  return call;
}

describe('DueCalls', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('ends each call when its time has come, in whatever order they were added', () => {
    const calls = new DueCalls();
    const start = performance.now();
    const added = [50, 10, 30].map((afterMs) => callIn(calls, afterMs));
    vi.advanceTimersByTime(9);
    expect(added.map(({ endedAtMs }) => endedAtMs)).toEqual([undefined, undefined, undefined]);
    vi.advanceTimersByTime(100);
    expect(added.map(({ endedAtMs = 0 }) => endedAtMs - start)).toEqual([50, 10, 30]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('leaves a call that has put off its time until then', () => {
    const calls = new DueCalls();
    const start = performance.now();
    const call = callIn(calls, 10);
    call.dueAtMs = start + 25;
    vi.advanceTimersByTime(24);
    expect(call.endedAtMs).toBeUndefined();
    vi.advanceTimersByTime(1);
    expect(call.endedAtMs).toBe(start + 25);
  });

  test('wakes sooner for a call that says so', () => {
    const calls = new DueCalls();
    const start = performance.now();
    const call = callIn(calls, 1_000);
    call.dueAtMs = start + 5;
    calls.expect(call);
    vi.advanceTimersByTime(5);
    expect(call.endedAtMs).toBe(start + 5);
  });

  test('forgets a call that is over', () => {
    const calls = new DueCalls();
    const call = callIn(calls, 10);
    calls.delete(call);
    vi.advanceTimersByTime(20);
    expect(call.endedAtMs).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('takes another call in place of one that ends', () => {
    const calls = new DueCalls();
    const first = callIn(calls, 10);
    const { due } = first;
    let next: ReturnType<typeof callIn> | undefined;
    first.due = () => {
      due();
      next = callIn(calls, 10);
    };
    vi.advanceTimersByTime(20);
    expect(next?.endedAtMs).toBeDefined();
  });
});
