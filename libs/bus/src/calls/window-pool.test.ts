import { expect, test } from 'vitest';
import { rejection } from '../../tests/contract/sample-messages.ts';
import { ALL_WINDOWS_BYTES_MAX, CALL_WINDOW_BYTES, CALL_WINDOW_BYTES_MIN } from '../bus.ts';
import { WindowPool } from './window-pool.ts';

test('gives full windows, then quarters, then the smallest, and no more than the sum', async () => {
  const pool = new WindowPool();
  const counts = new Map<number, number>();
  while (pool.openBytes < ALL_WINDOWS_BYTES_MAX) {
    const bytes = pool.open();
    counts.set(bytes, (counts.get(bytes) ?? 0) + 1);
  }
  expect([...counts]).toEqual([
    [CALL_WINDOW_BYTES, 32],
    [CALL_WINDOW_BYTES / 4, 128],
    [CALL_WINDOW_BYTES_MIN, 1024],
  ]);
  expect(pool.openBytes).toBe(ALL_WINDOWS_BYTES_MAX);
  expect((await rejection(Promise.resolve().then(() => pool.open()))).code).toBe('overloaded');
  pool.close(CALL_WINDOW_BYTES_MIN);
  expect(pool.open()).toBe(CALL_WINDOW_BYTES_MIN);
});

test('gives full windows again when calls have ended', () => {
  const pool = new WindowPool();
  const opened: number[] = [];
  for (let call = 0; call < 100; call += 1) opened.push(pool.open());
  for (const bytes of opened) pool.close(bytes);
  expect(pool.openBytes).toBe(0);
  expect(pool.open()).toBe(CALL_WINDOW_BYTES);
});
