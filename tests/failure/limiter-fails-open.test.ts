import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster({ configuration: 'limits: { limiter_unavailable: admit }' });

test('where the operator says so, requests are admitted while limits cannot be checked', async () => {
  const { ask, createKey, process, redis } = cluster();
  const { key } = await createKey({ limit: { requests: 3, window_seconds: 600 } });
  const statuses = async (count: number) => {
    const all = [];
    for (let round = 0; round < count; round += 1) all.push((await ask({}, { key })).status);
    return all;
  };
  await waitFor(async () => (await ask({}, { key })).status === 200, { what: 'the key to work' });
  expect(await statuses(3)).toEqual([200, 200, 429]);
  await redis.kill();
  expect(await statuses(5)).toEqual([200, 200, 200, 200, 200]);
  await redis.restart();
  const limiter = process('rate-limiter-1');
  await limiter.ready();
  const isLimited = async () => (await ask({}, { key })).status === 429;
  await waitFor(isLimited, { what: 'the limit to hold again' });
  await limiter.kill();
  expect(await statuses(5)).toEqual([200, 200, 200, 200, 200]);
  await limiter.start();
  // It is not asked for a moment after it failed.
  await waitFor(isLimited, { what: 'the limit to hold again' });
});
