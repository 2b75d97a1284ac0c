import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** Some twenty megabytes each. */
const TOKENS = 100_000;
const STREAMS = 12;
/** Far more than the windows of these streams, far less than what their clients do not read. */
const GROWTH_BYTES_MAX = 128 * 1024 * 1024;

const cluster = useCluster({
  configuration: 'timeouts: { first_byte_seconds: 20, idle_seconds: 20, total_seconds: 100 }',
});

test('a client that reads nothing holds its provider up, and nobody else', async () => {
  const { begin, ask, simulator, process } = cluster();
  const before = simulator.ledger.length;
  const residentBefore = await process('ingress-1').metric('process_memory_usage');
  expect(residentBefore).toBeGreaterThan(0);
  const asked = Array.from({ length: STREAMS }, () =>
    begin({ text: `sim:tokens=${TOKENS}`, stream: true, timeoutMs: 100_000 }),
  );
  await Promise.all(asked.map((asking) => asking.head()));
  for (const asking of asked) asking.stall();
  const stalled = simulator.ledger.slice(before);
  let written = -1;
  await waitFor(
    () => {
      const now = stalled.reduce((total, { bytes }) => total + bytes, 0);
      const isStill = now === written;
      written = now;
      return isStill && now > 0;
    },
    { what: 'the provider to be held up', intervalMs: 500, timeoutMs: 30_000 },
  );
  expect(stalled.map(({ ended }) => ended)).toEqual(Array(STREAMS).fill('open'));
  const resident = await process('ingress-1').metric('process_memory_usage');
  expect(resident - residentBefore).toBeLessThan(GROWTH_BYTES_MAX);
  const served = await Promise.all(Array.from({ length: 20 }, () => ask({ stream: true })));
  expect(served.map(({ end }) => end)).toEqual(Array(20).fill('whole'));
  const [reader, ...others] = asked;
  for (const asking of others) asking.leave();
  reader?.read();
  const answer = await reader?.answer;
  expect([answer?.end, answer?.text.split(' ').length]).toEqual(['whole', TOKENS]);
});
