import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** What an answer without a cache may take; the ingress gives the cache 250 ms. */
const ANSWERED_WITHIN_MS = 2_000;

const cluster = useCluster();
const cacheable = (nonce: string) => ({ text: `sim:nonce=${nonce}`, body: { temperature: 0 } });

test('without a cache requests are answered by the provider', async () => {
  const { ask, process } = cluster();
  const cache = process('cache-1');
  const outcomes = async (nonce: string) => {
    const answer = await ask(cacheable(nonce));
    expect(answer.status).toBe(200);
    expect(answer.durationMs).toBeLessThan(ANSWERED_WITHIN_MS);
    return answer.headers['x-gateway-cache'];
  };
  expect(await outcomes('one')).toBe('miss');
  expect(await outcomes('one')).toBe('hit');
  await cache.kill();
  expect([await outcomes('one'), await outcomes('two')]).toEqual(['bypass', 'bypass']);
  await cache.start();
  // What it had stored is in Redis and outlives it.
  expect([await outcomes('one'), await outcomes('two')]).toEqual(['hit', 'miss']);
});

test('a cache that hangs is waited for a quarter of a second', async () => {
  const { ask, process } = cluster();
  const cache = process('cache-1');
  cache.pause();
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) => ask(cacheable(`hung${index}`))),
  );
  cache.resume();
  for (const { status, headers, durationMs } of answers) {
    expect([status, headers['x-gateway-cache']]).toEqual([200, 'bypass']);
    expect(durationMs).toBeLessThan(ANSWERED_WITHIN_MS);
  }
});
