import { test } from 'vitest';
import { getMeter } from './metrics.ts';

const counter = getMeter('bench').createCounter('bench.requests');
const bound = counter.bind({ outcome: 'hit' });
const histogram = getMeter('bench').createHistogram('bench.duration');
const boundHistogram = histogram.bind({ route: '/v1/chat/completions', status: 200 });

test('a measurement', async ({ bench }) => {
  await bench.compare(
    bench('of a bound counter', () => bound.add(1)),
    bench('of a counter with an attribute', () => counter.add(1, { outcome: 'hit' })),
    bench('of a bound histogram', () => boundHistogram.record(80)),
    bench('of a histogram with two attributes', () => {
      histogram.record(80, { route: '/v1/chat/completions', status: 200 });
    }),
  );
});
