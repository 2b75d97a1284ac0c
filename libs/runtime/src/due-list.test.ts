import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DueList } from './due-list.ts';

/** Notes when its time had come, and leaves. */
function addTo(list: DueList, afterMs: number) {
  const due = {
    duePlace: -1,
    dueAtMs: performance.now() + afterMs,
    endedAtMs: undefined as number | undefined,
    due() {
      due.endedAtMs = performance.now();
      list.delete(due);
    },
  };
  list.add(due);
  return due;
}

describe('DueList', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test('tells each when its time has come, in whatever order they were added', () => {
    const list = new DueList();
    const start = performance.now();
    const added = [50, 10, 30].map((afterMs) => addTo(list, afterMs));
    vi.advanceTimersByTime(9);
    expect(added.map(({ endedAtMs }) => endedAtMs)).toEqual([undefined, undefined, undefined]);
    vi.advanceTimersByTime(100);
    expect(added.map(({ endedAtMs = 0 }) => endedAtMs - start)).toEqual([50, 10, 30]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('leaves what has put off its time until then', () => {
    const list = new DueList();
    const start = performance.now();
    const due = addTo(list, 10);
    due.dueAtMs = start + 25;
    vi.advanceTimersByTime(24);
    expect(due.endedAtMs).toBeUndefined();
    vi.advanceTimersByTime(1);
    expect(due.endedAtMs).toBe(start + 25);
  });

  test('tells again what puts its time off when it has come', () => {
    const list = new DueList();
    const start = performance.now();
    const toldAtMs: number[] = [];
    const due = {
      duePlace: -1,
      dueAtMs: start + 10,
      due() {
        toldAtMs.push(performance.now() - start);
        due.dueAtMs += 10;
      },
    };
    list.add(due);
    vi.advanceTimersByTime(30);
    expect(toldAtMs).toEqual([10, 20, 30]);
  });

  test('wakes sooner for what says so', () => {
    const list = new DueList();
    const start = performance.now();
    const due = addTo(list, 1_000);
    due.dueAtMs = start + 5;
    list.expect(due);
    vi.advanceTimersByTime(5);
    expect(due.endedAtMs).toBe(start + 5);
  });

  test('forgets what is over', () => {
    const list = new DueList();
    const due = addTo(list, 10);
    list.delete(due);
    vi.advanceTimersByTime(20);
    expect(due.endedAtMs).toBeUndefined();
    expect(vi.getTimerCount()).toBe(0);
  });

  test('takes another in place of one that ends', () => {
    const list = new DueList();
    const first = addTo(list, 10);
    const { due: end } = first;
    let next: ReturnType<typeof addTo> | undefined;
    first.due = () => {
      end();
      next = addTo(list, 10);
    };
    vi.advanceTimersByTime(20);
    expect(next?.endedAtMs).toBeDefined();
  });

  test('looks no more often than its resolution, and is late by no more', () => {
    const list = new DueList(10);
    const start = performance.now();
    const added = [1, 4, 11, 21].map((afterMs) => addTo(list, afterMs));
    vi.advanceTimersByTime(100);
    expect(added.map(({ endedAtMs = 0 }) => endedAtMs - start)).toEqual([10, 10, 20, 30]);
  });
});
