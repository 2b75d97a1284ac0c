import { describe, expect, test } from 'vitest';
import { systemClock, type Timer } from './clock.ts';

test('runs a task after its delay and not before', async () => {
  const startedAt = performance.now();
  await new Promise<void>((resolve) => systemClock.after(30, resolve));
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(30);
});

test('does not run what was called off, and keeps the order of time', async () => {
  const ran: string[] = [];
  const callOff = systemClock.after(20, () => ran.push('called off'));
  await new Promise<void>((resolve) => {
    systemClock.after(60, () => {
      ran.push('late');
      resolve();
    });
    systemClock.after(20, () => ran.push('early'));
    systemClock.after(0, () => ran.push('first'));
    callOff();
  });
  expect(ran).toEqual(['first', 'early', 'late']);
});

test('a task may set another one', async () => {
  const ran = await new Promise<string>((resolve) => {
    systemClock.after(10, () => systemClock.after(10, () => resolve('the second')));
  });
  expect(ran).toBe('the second');
});

test('a task that runs may call off another one of its tick, and itself', async () => {
  const ran: string[] = [];
  await new Promise<void>((resolve) => {
    const callOffs: (() => void)[] = [];
    const set = (name: string) => {
      const callOff = systemClock.after(20, () => {
        ran.push(name);
        for (const callOff of callOffs) callOff();
      });
      callOffs.push(callOff);
    };
    for (const name of ['one', 'two', 'three']) set(name);
    systemClock.after(60, resolve);
  });
  expect(ran).toEqual(['one']);
});

test('calling off twice is calling off once', async () => {
  const ran = await new Promise<string>((resolve) => {
    const callOff = systemClock.after(10, () => resolve('called off'));
    systemClock.after(10, () => resolve('the other'));
    callOff();
    callOff();
  });
  expect(ran).toBe('the other');
});

describe('a timer', () => {
  /** That says when it was due. */
  const timerOf = (due: () => void): Timer => {
    const timer: Timer = {
      dueAtMs: 0,
      duePlace: -1,
      due: () => {
        systemClock.stop(timer);
        due();
      },
    };
    return timer;
  };

  test('is due after its delay and not before, once, and may be started again', async () => {
    const startedAt = performance.now();
    let times = 0;
    const wait = Promise.withResolvers<void>();
    const timer = timerOf(() => {
      times += 1;
      if (times === 1) systemClock.start(timer, 20);
      else wait.resolve();
    });
    systemClock.start(timer, 30);
    await wait.promise;
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(50);
    await new Promise<void>((resolve) => systemClock.after(30, resolve));
    expect(times).toBe(2);
  });

  test('that is stopped or put off is not due at the time it had', async () => {
    const due: string[] = [];
    const [stopped, later] = ['stopped', 'later'].map((name) => timerOf(() => due.push(name)));
    for (const timer of [stopped, later]) systemClock.start(timer as Timer, 10);
    systemClock.stop(stopped as Timer);
    systemClock.start(later as Timer, 60_000);
    await new Promise<void>((resolve) => systemClock.start(timerOf(resolve), 30));
    systemClock.stop(later as Timer);
    expect(due).toEqual([]);
  });
});
