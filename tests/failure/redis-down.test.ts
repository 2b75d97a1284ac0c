import { waitFor } from '@gateway/testing';
import { beforeAll, expect, test } from 'vitest';
import { runRedis } from '../cluster/redis-command.ts';
import { useCluster } from './use-cluster.ts';

/** The limiter waits 200 ms for Redis, the ingress a quarter of a second for the cache. */
const ANSWERED_WITHIN_MS = 2_000;
const BACK_WITHIN_MS = 5_000;

const cluster = useCluster();
const cacheable = { body: { temperature: 0 } };
let limited: string;

beforeAll(async () => {
  const { createKey, ask } = cluster();
  ({ key: limited } = await createKey({ limit: { requests: 1_000, window_seconds: 600 } }));
  const works = async () => (await ask({}, { key: limited })).status === 200;
  await waitFor(works, { what: 'the key to work' });
});

async function seenWithoutRedis(): Promise<void> {
  const { ask, simulator } = cluster();
  const before = simulator.ledger.length;
  const refused = await Promise.all(Array.from({ length: 10 }, () => ask({}, { key: limited })));
  for (const { status, errorCode, headers, durationMs } of refused) {
    expect([status, errorCode]).toEqual([503, 'limiter_unavailable']);
    expect(headers['retry-after']).toBe('1');
    expect(durationMs).toBeLessThan(ANSWERED_WITHIN_MS);
  }
  expect(simulator.ledger).toHaveLength(before);
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask(cacheable)));
  for (const { status, headers, durationMs } of answers) {
    expect([status, headers['x-gateway-cache']]).toEqual([200, 'bypass']);
    expect(durationMs).toBeLessThan(ANSWERED_WITHIN_MS);
  }
}

/** Whether limits are counted and answers found again, through the processes of before. */
async function backWithin(pids: readonly number[]): Promise<void> {
  const { ask, processes } = cluster();
  const works = async () => {
    const [counted, found] = await Promise.all([ask({}, { key: limited }), ask(cacheable)]);
    return counted.status === 200 && found.headers['x-gateway-cache'] !== 'bypass';
  };
  await waitFor(works, { what: 'Redis to be used again', timeoutMs: BACK_WITHIN_MS });
  expect(processes.map(({ node }) => node.pid)).toEqual(pids);
}

const pidsNow = () => cluster().processes.map(({ node }) => node.pid);

test('without Redis keys with a limit are refused, others are answered without a cache', async () => {
  const { redis } = cluster();
  const pids = pidsNow();
  await redis.kill();
  await seenWithoutRedis();
  await redis.restart();
  await backWithin(pids);
});

test('a Redis that hangs is waited for a moment', async () => {
  const { redis } = cluster();
  const pids = pidsNow();
  redis.pause();
  await seenWithoutRedis();
  redis.resume();
  await backWithin(pids);
});

test('what was counted outlives Redis; without its data counting begins anew', async () => {
  const { ask, createKey, redis } = cluster();
  const { key } = await createKey({ limit: { requests: 2, window_seconds: 600 } });
  const status = async () => (await ask({}, { key })).status;
  await waitFor(async () => (await status()) === 200, { what: 'the key to work' });
  expect(await status()).toBe(200);
  await redis.kill();
  await redis.restart();
  await waitFor(async () => (await status()) === 429, { what: 'the limit to be known again' });
  await runRedis(redis.port, 'FLUSHALL');
  expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
});
