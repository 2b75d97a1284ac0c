import { describe, expect, test } from 'vitest';
import { faultSchedule, latencyOf, scheduleText, TARGETS } from './schedule.ts';

const options = { seed: 4, durationMs: 300_000, atOnceMax: 2, gapMs: 2_500 };
const faults = faultSchedule(options);

test('a schedule follows from its seed', () => {
  expect(faultSchedule(options)).toEqual(faults);
  expect(faultSchedule({ ...options, seed: 5 })).not.toEqual(faults);
});

describe('a run of five minutes', () => {
  test('kills every process and server', () => {
    const killed = new Set(
      faults.filter(({ kind }) => kind === 'kill').map(({ target }) => target),
    );
    expect([...killed].sort()).toEqual(Object.keys(TARGETS).sort());
  });

  test('has faults of nearly every kind, and several of them all', () => {
    const kindsOf = (seed: number) => faultSchedule({ ...options, seed }).map(({ kind }) => kind);
    expect(new Set(kindsOf(4)).size).toBeGreaterThan(4);
    expect([...new Set([1, 2, 3, 4, 5, 6].flatMap(kindsOf))].sort()).toEqual([
      ...['black-hole', 'full', 'kill', 'latency', 'pause', 'reset', 'terminate'],
    ]);
  });

  test('has few faults at once, none of them of one target', () => {
    for (const { atMs, target } of faults) {
      const others = faults.filter((fault) => fault.atMs < atMs && fault.atMs + fault.forMs > atMs);
      expect(others.length).toBeLessThan(options.atOnceMax);
      expect(others.map((fault) => fault.target)).not.toContain(target);
    }
  });

  test('ends every fault in it', () => {
    expect(faults.length).toBeGreaterThan(50);
    for (const { atMs } of faults) {
      expect(atMs).toBeGreaterThanOrEqual(2_000);
      expect(atMs).toBeLessThan(options.durationMs - 3_000);
    }
    expect(Math.max(...faults.map(({ forMs }) => forMs))).toBeLessThanOrEqual(6_000);
  });

  test('breaks only the links that a process has', () => {
    for (const { target, link } of faults) {
      if (link !== undefined) expect(TARGETS[target]).toContain(link);
    }
  });
});

test('a slow link is slow by the same time each time', () => {
  const [fault] = faults;
  if (fault === undefined) throw new Error('there is no fault');
  expect(latencyOf(fault)).toBe(latencyOf({ ...fault }));
});

test('a schedule is told line by line', () => {
  const fault = { kind: 'reset', target: 'cache-1', link: 'redis', atMs: 2_340, forMs: 1 } as const;
  expect(scheduleText([fault])).toBe('    2.3 s  reset       cache-1 ↔ redis, 1 ms');
});
