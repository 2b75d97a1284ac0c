import { waitFor } from '@gateway/testing';
import { beforeAll, expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** Without a responder NATS says so at once. */
const REFUSED_WITHIN_MS = 2_000;

const cluster = useCluster({ processes: { 'rate-limiter': 2 } });
let key: string;

beforeAll(async () => {
  ({ key } = await cluster().createKey({ limit: { requests: 100_000, window_seconds: 60 } }));
  const works = async () => (await cluster().ask({}, { key })).status === 200;
  await waitFor(works, { what: 'the key to work' });
});

test('another limiter answers for one that is killed under load', async () => {
  const { ask, process } = cluster();
  const first = process('rate-limiter-1');
  const asked = Array.from({ length: 50 }, () => ask({ text: 'sim:delay=50ms' }, { key }));
  await first.kill();
  const answers = await Promise.all(asked);
  const after = await Promise.all(Array.from({ length: 50 }, () => ask({}, { key })));
  // One that the dead limiter had taken with it is refused and not paid for.
  for (const { status, errorCode } of answers) {
    expect([
      [200, undefined],
      [503, 'limiter_unavailable'],
    ]).toContainEqual([status, errorCode]);
  }
  expect(after.map(({ status }) => status)).toEqual(Array(50).fill(200));
  await first.start();
});

test('without a limiter keys with a limit are refused at once, others are not', async () => {
  const { ask, processes, simulator } = cluster();
  const limiters = processes.filter(({ service }) => service === 'rate-limiter');
  await Promise.all(limiters.map((limiter) => limiter.kill()));
  const before = simulator.ledger.length;
  const refused = await Promise.all(Array.from({ length: 5 }, () => ask({}, { key })));
  for (const { status, errorCode, durationMs, headers } of refused) {
    expect([status, errorCode]).toEqual([503, 'limiter_unavailable']);
    expect(headers['retry-after']).toBe('1');
    expect(durationMs).toBeLessThan(REFUSED_WITHIN_MS);
  }
  expect(simulator.ledger).toHaveLength(before);
  expect((await ask()).status).toBe(200);
  await Promise.all(limiters.map((limiter) => limiter.start()));
  expect((await ask({}, { key })).status).toBe(200);
});
