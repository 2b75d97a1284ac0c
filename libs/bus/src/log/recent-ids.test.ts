import { describe, expect, test } from 'vitest';
import { RecentIds, type RecentWrite } from './recent-ids.ts';

const known = (ids: RecentIds<RecentWrite>, names: readonly string[], now: number) =>
  names.filter((name) => ids.find(name, now) !== undefined);

describe('RecentIds', () => {
  test('knows an id within the window and not at its end', () => {
    const ids = new RecentIds(10, 1_000);
    ids.add('a', { at: 0 });
    ids.add('b', { at: 500 });
    expect(known(ids, ['a', 'b'], 999)).toEqual(['a', 'b']);
    expect(known(ids, ['a', 'b'], 1_000)).toEqual(['b']);
  });

  test('knows as many as the bound, and with one past it forgets the older half', () => {
    const ids = new RecentIds(4, Number.POSITIVE_INFINITY);
    for (const name of ['a', 'b', 'c', 'd']) ids.add(name, { at: 0 });
    expect(known(ids, ['a', 'b', 'c', 'd'], 1)).toEqual(['a', 'b', 'c', 'd']);
    ids.add('e', { at: 1 });
    expect(known(ids, ['a', 'b', 'c', 'd', 'e'], 1)).toEqual(['c', 'd', 'e']);
  });

  test('never holds more than the bound, and knows the last half of it, however many come', () => {
    const ids = new RecentIds(100, Number.POSITIVE_INFINITY);
    for (let count = 0; count < 1_000; count += 1) {
      ids.add(`${count}`, { at: count });
      expect(ids.size).toBeLessThanOrEqual(100);
      expect(ids.find(`${Math.max(0, count - 49)}`, count)).toBeDefined();
    }
  });

  test('holds nothing for longer than two windows while others come', () => {
    const ids = new RecentIds(100, 1_000);
    for (let now = 0; now < 10_000; now += 100) ids.add(`${now}`, { at: now });
    expect(ids.size).toBeLessThanOrEqual(20);
    expect(known(ids, ['8900', '9000', '9900'], 9_950)).toEqual(['9000', '9900']);
  });

  test('gives the write of an id, which others may share', () => {
    const ids = new RecentIds<RecentWrite>(10, 1_000);
    const write = { at: 0 };
    for (const name of ['a', 'b']) ids.add(name, write);
    expect(ids.find('a', 0)).toBe(write);
    expect(ids.find('b', 999)).toBe(write);
    expect(ids.find('b', 1_000)).toBeUndefined();
  });

  test.each(['newer', 'older'])(
    'takes an id of the %s half again that it was told to forget',
    (half) => {
      const ids = new RecentIds(4, 1_000);
      ids.add('a', { at: 0 });
      if (half === 'older') for (const name of ['b', 'c']) ids.add(name, { at: 0 });
      ids.forget('a');
      expect(ids.find('a', 1)).toBeUndefined();
      ids.add('a', { at: 200 });
      expect(known(ids, ['a'], 1_199)).toEqual(['a']);
      expect(known(ids, ['a'], 1_200)).toEqual([]);
    },
  );
});
