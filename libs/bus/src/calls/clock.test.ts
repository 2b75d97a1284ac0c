import { expect, test } from 'vitest';
import { systemClock } from './clock.ts';

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
