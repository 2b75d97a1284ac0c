import { describe, expect, test } from 'vitest';
import { RecentIds } from './recent-ids.ts';

const known = (ids: RecentIds, names: readonly string[], now: number) =>
  names.filter((name) => ids.stored(name, now) !== undefined);

describe('RecentIds', () => {
  test('knows an id within the window and not at its end', () => {
    const ids = new RecentIds(10, 1_000);
    ids.add('a', 0);
    ids.add('b', 500);
    expect(known(ids, ['a', 'b'], 999)).toEqual(['a', 'b']);
    expect(known(ids, ['a', 'b'], 1_000)).toEqual(['b']);
  });

  test('knows as many as the bound, and forgets the oldest with one past it', () => {
    const ids = new RecentIds(3, Number.POSITIVE_INFINITY);
    for (const name of ['a', 'b', 'c']) ids.add(name, 0);
    expect(known(ids, ['a', 'b', 'c'], 1)).toEqual(['a', 'b', 'c']);
    ids.add('d', 1);
    expect(known(ids, ['a', 'b', 'c', 'd'], 1)).toEqual(['b', 'c', 'd']);
  });

  test('never holds more than the bound, however many come', () => {
    const ids = new RecentIds(100, Number.POSITIVE_INFINITY);
    for (let count = 0; count < 1_000; count += 1) ids.add(`${count}`, count);
    expect(ids.size).toBe(100);
    expect(known(ids, ['899', '900', '999'], 1_000)).toEqual(['900', '999']);
  });

  test('gives the promise of an id that is on its way, and one that is kept afterwards', async () => {
    const ids = new RecentIds(10, 1_000);
    const { promise, resolve } = Promise.withResolvers<void>();
    ids.add('a', 0, promise);
    expect(ids.stored('a', 0)).toBe(promise);
    resolve();
    ids.settled('a');
    expect(ids.stored('a', 0)).not.toBe(promise);
    await expect(ids.stored('a', 0)).resolves.toBeUndefined();
  });

  test('takes an id that it was told to forget, for its whole window', () => {
    const ids = new RecentIds(2, 1_000);
    ids.add('a', 0, Promise.resolve());
    ids.forget('a');
    expect(ids.stored('a', 1)).toBeUndefined();
    ids.add('b', 100);
    ids.add('a', 200);
    expect(known(ids, ['a', 'b'], 1_150)).toEqual(['a']);
    expect(known(ids, ['a'], 1_200)).toEqual([]);
  });
});
