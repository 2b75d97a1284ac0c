import { expect, test } from 'vitest';
import { median, Samples } from './percentiles.ts';

test('percentiles are samples that as large a part does not exceed', () => {
  const samples = new Samples();
  for (let value = 10_000; value >= 1; value -= 1) samples.add(value);
  expect(samples.percentiles()).toEqual({ p50: 5_000, p95: 9_500, p99: 9_900, max: 10_000 });
});

test('percentiles of nothing are 0', () => {
  expect(new Samples().percentiles()).toEqual({ p50: 0, p95: 0, p99: 0, max: 0 });
});

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 2, 3], 2.5],
  [[], Number.NaN],
])('the median of %j is %d', (values, expected) => {
  expect(median(values)).toBe(expected);
});
