import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const HOUR_MS = 3_600_000;

/** A process whose clock is wrong by so much. */
function skewed(byMs: number): readonly string[] {
  const script = `const now = Date.now; Date.now = () => now() + ${byMs};`;
  return ['--import', `data:text/javascript,${encodeURIComponent(script)}`];
}

const cluster = useCluster({ processes: { 'provider-worker': 2, 'rate-limiter': 2 } });

test.each([-600_000, -1_000, 1_000, 600_000])(
  'a worker whose clock is off by %i ms says so, and another one answers',
  async (byMs) => {
    const { ask, process } = cluster();
    const worker = process('provider-worker-2');
    await worker.kill();
    worker.launch({ nodeArguments: skewed(byMs) });
    const isUp = async () => (await fetch(`${worker.operationsUrl}/livez`)).ok;
    await waitFor(isUp, { what: 'the worker to live' });
    const saysSo = async () => /clock is \d+ ms/.test(JSON.stringify(await worker.readiness()));
    await waitFor(saysSo, { what: 'the worker to tell of its clock' });
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask()));
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
    await worker.restart();
  },
);

test('limits are counted by the clock of Redis, whatever the clocks of the limiters', async () => {
  const { ask, process, createKey } = cluster();
  const { key } = await createKey({ limit: { requests: 10, window_seconds: 600 } });
  const limiter = process('rate-limiter-2');
  await limiter.kill();
  limiter.launch({ nodeArguments: skewed(-HOUR_MS) });
  const isUp = async () => (await fetch(`${limiter.operationsUrl}/livez`)).ok;
  await waitFor(isUp, { what: 'the limiter to live' });
  const statuses = [];
  for (let round = 0; round < 20; round += 1) {
    statuses.push((await ask({}, { key })).status);
  }
  expect(statuses.filter((status) => status === 200)).toHaveLength(10);
  expect(statuses.filter((status) => status === 429)).toHaveLength(10);
  await limiter.restart();
});
