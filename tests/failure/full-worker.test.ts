import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const CONCURRENCY = 4;

const cluster = useCluster({
  processes: { 'provider-worker': 2 },
  environments: { 'provider-worker': { WORKER_CONCURRENCY: String(CONCURRENCY) } },
});

test('full workers hand requests over, and refuse what none of them has room for', async () => {
  const { ask, begin, simulator } = cluster();
  const running = Array.from({ length: 2 * CONCURRENCY }, () =>
    begin({ text: 'sim:delay=2500ms' }),
  );
  await simulator.waitFor(({ id }) => id === running.length);
  const refused = await Promise.all(Array.from({ length: 10 }, () => ask()));
  for (const { status, errorCode, headers } of refused) {
    expect([status, errorCode]).toEqual([503, 'overloaded']);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
  }
  expect(simulator.ledger).toHaveLength(running.length);
  const answers = await Promise.all(running.map(({ answer }) => answer));
  expect(answers.map(({ status }) => status)).toEqual(Array(running.length).fill(200));
});
