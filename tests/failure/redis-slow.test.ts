import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const SLOW_MS = 1_000;
/** Less than Redis takes now: nobody waits for it. */
const ANSWERED_WITHIN_MS = 900;

const cluster = useCluster({ proxied: { 'rate-limiter': ['redis'], cache: ['redis'] } });

test('a slow Redis delays nobody for as long as it takes', async () => {
  const { ask, createKey, process } = cluster();
  const { key } = await createKey({ limit: { requests: 1_000, window_seconds: 600 } });
  const works = async () => (await ask({}, { key })).status === 200;
  await waitFor(works, { what: 'the key to work' });
  const links = ['rate-limiter-1', 'cache-1'].map((id) => process(id).link('redis'));
  for (const link of links) link.setToxics('downstream', { latencyMs: SLOW_MS });

  const refused = await Promise.all(Array.from({ length: 10 }, () => ask({}, { key })));
  const answered = await Promise.all(
    Array.from({ length: 10 }, () => ask({ body: { temperature: 0 } })),
  );
  for (const link of links) link.setToxics('downstream', {});
  for (const { status, errorCode, durationMs } of refused) {
    expect([status, errorCode]).toEqual([503, 'limiter_unavailable']);
    expect(durationMs).toBeLessThan(ANSWERED_WITHIN_MS);
  }
  for (const { status, headers, durationMs } of answered) {
    expect([status, headers['x-gateway-cache']]).toEqual([200, 'bypass']);
    expect(durationMs).toBeLessThan(ANSWERED_WITHIN_MS);
  }
  await waitFor(works, { what: 'the limiter to answer again' });
});
