import { describe, expect, test } from 'vitest';
import { rejection } from '../../tests/contract/sample-messages.ts';
import {
  ALL_WINDOWS_BYTES_MAX,
  CALL_WINDOW_BYTES,
  CALL_WINDOW_BYTES_MAX,
  CALL_WINDOW_BYTES_MIN,
} from '../bus.ts';
import { WindowPool } from './window-pool.ts';

/** Opens windows until so many bytes are open. */
function openUpTo(pool: WindowPool, bytes: number): number[] {
  const opened: number[] = [];
  while (pool.openBytes < bytes) opened.push(pool.open());
  return opened;
}

describe('new windows', () => {
  test('are smaller the more are open, and no more than the sum', async () => {
    const pool = new WindowPool();
    const counts = new Map<number, number>();
    for (const bytes of openUpTo(pool, ALL_WINDOWS_BYTES_MAX)) {
      counts.set(bytes, (counts.get(bytes) ?? 0) + 1);
    }
    expect([...counts]).toEqual([
      [CALL_WINDOW_BYTES, 1024],
      [2 * CALL_WINDOW_BYTES_MIN, 4096],
      [CALL_WINDOW_BYTES_MIN, 8192],
    ]);
    expect(pool.openBytes).toBe(ALL_WINDOWS_BYTES_MAX);
    expect((await rejection(Promise.resolve().then(() => pool.open()))).code).toBe('overloaded');
    pool.close(CALL_WINDOW_BYTES_MIN);
    expect(pool.open()).toBe(CALL_WINDOW_BYTES_MIN);
  });

  test('are large again when calls have ended', () => {
    const pool = new WindowPool();
    for (const bytes of openUpTo(pool, ALL_WINDOWS_BYTES_MAX)) pool.close(bytes);
    expect(pool.openBytes).toBe(0);
    expect(pool.open()).toBe(CALL_WINDOW_BYTES);
  });
});

describe('a window that is read', () => {
  test('doubles up to the largest, and the sum with it', () => {
    const pool = new WindowPool();
    let bytes = pool.open();
    const sizes = [bytes];
    for (let read = 0; read < 4; read += 1) {
      bytes = pool.resize(bytes);
      sizes.push(bytes);
    }
    expect(sizes).toEqual([1, 2, 4, 8, 8].map((times) => times * CALL_WINDOW_BYTES));
    expect(bytes).toBe(CALL_WINDOW_BYTES_MAX);
    expect(pool.openBytes).toBe(CALL_WINDOW_BYTES_MAX);
  });

  test('stays as it is from a quarter of the sum on', () => {
    const roomy = new WindowPool();
    openUpTo(roomy, ALL_WINDOWS_BYTES_MAX / 4 - CALL_WINDOW_BYTES);
    expect(roomy.resize(CALL_WINDOW_BYTES)).toBe(2 * CALL_WINDOW_BYTES);
    const pool = new WindowPool();
    openUpTo(pool, ALL_WINDOWS_BYTES_MAX / 4);
    expect(pool.resize(CALL_WINDOW_BYTES)).toBe(CALL_WINDOW_BYTES);
    openUpTo(pool, ALL_WINDOWS_BYTES_MAX / 2 - CALL_WINDOW_BYTES);
    expect(pool.resize(CALL_WINDOW_BYTES)).toBe(CALL_WINDOW_BYTES);
  });

  test('is halved from half of the sum on, down to the size of a new one', () => {
    const pool = new WindowPool();
    openUpTo(pool, (ALL_WINDOWS_BYTES_MAX * 3) / 4);
    pool.close(2 * CALL_WINDOW_BYTES_MIN);
    let bytes = CALL_WINDOW_BYTES;
    const sizes: number[] = [];
    for (let read = 0; read < 4; read += 1) {
      bytes = pool.resize(bytes);
      sizes.push(bytes);
    }
    expect(sizes).toEqual([8, 4, 2, 2].map((times) => times * CALL_WINDOW_BYTES_MIN));
    const given = CALL_WINDOW_BYTES - bytes + 2 * CALL_WINDOW_BYTES_MIN;
    expect(pool.openBytes).toBe((ALL_WINDOWS_BYTES_MAX * 3) / 4 - given);
  });

  test('is never smaller than the smallest, and never makes the sum larger than it may be', () => {
    const pool = new WindowPool();
    openUpTo(pool, ALL_WINDOWS_BYTES_MAX);
    expect(pool.resize(CALL_WINDOW_BYTES_MIN)).toBe(CALL_WINDOW_BYTES_MIN);
    expect(pool.openBytes).toBe(ALL_WINDOWS_BYTES_MAX);
  });
});
