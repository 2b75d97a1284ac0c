import { expect, test } from 'vitest';
import { seededRandom } from './seeded-random.ts';

const draw = (...names: readonly (string | number)[]) => {
  const random = seededRandom(...names);
  return Array.from({ length: 50 }, () => random.next());
};

test('the same names give the same numbers, others give others', () => {
  expect(draw(7, 'a')).toEqual(draw(7, 'a'));
  expect(draw(7, 'a')).not.toEqual(draw(8, 'a'));
  expect(draw(7, 'a')).not.toEqual(draw(7, 'b'));
  expect(new Set(draw(7, 'a')).size).toBe(50);
});

test('numbers keep to their range and reach both ends of it', () => {
  const random = seededRandom(1);
  const drawn = new Set(Array.from({ length: 1_000 }, () => random.integer(3, 6)));
  expect([...drawn].sort()).toEqual([3, 4, 5, 6]);
});

test('weights say how often an item is drawn', () => {
  const random = seededRandom(2);
  const drawn = Array.from({ length: 10_000 }, () =>
    random.weighted([
      [9, 'often'],
      [1, 'seldom'],
      [0, 'never'],
    ]),
  );
  const count = (wanted: string) => drawn.filter((item) => item === wanted).length;
  expect(count('never')).toBe(0);
  expect(count('seldom')).toBeGreaterThan(800);
  expect(count('seldom')).toBeLessThan(1_200);
});

test('times at random have the mean that was asked for', () => {
  const random = seededRandom(3);
  const times = Array.from({ length: 20_000 }, () => random.exponential(100));
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  expect(mean).toBeGreaterThan(95);
  expect(mean).toBeLessThan(105);
});

test('nothing is drawn from nothing', () => {
  expect(() => seededRandom(1).pick([])).toThrow('nothing to pick');
  expect(() => seededRandom(1).weighted([])).toThrow('no weight');
});
