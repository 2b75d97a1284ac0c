import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ExpiringMap } from './expiring-map.ts';

test('keeps a value until its end and drops it there', () => {
  const map = new ExpiringMap<string>();
  map.add('a', 'of a', 10);
  map.drop(9);
  expect([map.has('a'), map.get('a'), map.size]).toEqual([true, 'of a', 1]);
  map.drop(10);
  expect([map.has('a'), map.get('a'), map.size]).toEqual([false, undefined, 0]);
});

test('drops the oldest first, and nothing of an empty one', () => {
  const map = new ExpiringMap<number>();
  map.dropOldest();
  for (const [index, key] of ['a', 'b', 'c'].entries()) map.add(key, index, 10);
  map.dropOldest();
  expect(['a', 'b', 'c'].map((key) => map.get(key))).toEqual([undefined, 1, 2]);
  map.clear();
  map.add('d', 3, 1);
  expect([map.size, map.get('d')]).toEqual([1, 3]);
});

test('holds what a plain list of entries would hold', () => {
  const step = fc.record({
    passMs: fc.nat({ max: 20 }),
    lastsMs: fc.constant(30),
    drop: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const map = new ExpiringMap<number>();
      let list: { key: string; endMs: number }[] = [];
      let nowMs = 0;
      for (const [index, { passMs, lastsMs, drop }] of steps.entries()) {
        nowMs += passMs;
        map.drop(nowMs);
        list = list.filter(({ endMs }) => endMs > nowMs);
        if (drop) {
          map.dropOldest();
          list.shift();
        }
        map.add(`${index}`, index, nowMs + lastsMs);
        list.push({ key: `${index}`, endMs: nowMs + lastsMs });
        expect(map.size).toBe(list.length);
        expect(list.every(({ key }) => map.has(key))).toBe(true);
      }
    }),
  );
});
