import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** What the bus may have under way for one stream, and what sockets of the machine take in. */
const HELD_BYTES_MAX = 16 * 1024 * 1024;
const TOKENS = 100_000;

const cluster = useCluster();

test('a client that reads nothing holds its provider up, and nobody else', async () => {
  const { begin, ask, simulator, process } = cluster();
  const before = simulator.ledger.length;
  const residentBefore = await process('ingress-1').metric('process_memory_usage');
  expect(residentBefore).toBeGreaterThan(0);
  const asked = Array.from({ length: 4 }, () =>
    begin({ text: `sim:tokens=${TOKENS}`, stream: true }),
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
  expect(stalled.map(({ ended }) => ended)).toEqual(Array(4).fill('open'));
  const resident = await process('ingress-1').metric('process_memory_usage');
  expect(resident - residentBefore).toBeLessThan(4 * HELD_BYTES_MAX);
  const others = await Promise.all(Array.from({ length: 20 }, () => ask({ stream: true })));
  expect(others.map(({ end }) => end)).toEqual(Array(20).fill('whole'));
  for (const asking of asked) asking.read();
  const answers = await Promise.all(asked.map(({ answer }) => answer));
  for (const { end, text } of answers) {
    expect(end).toBe('whole');
    expect(text.split(' ')).toHaveLength(TOKENS);
  }
});
