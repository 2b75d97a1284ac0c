import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster({ processes: { 'provider-worker': 2 } });

/** The ingress waits this long for a word of the bus, with a margin. */
const REFUSED_WITHIN_MS = 4_000;

test('what a paused NATS held back is never sent to a provider when it goes on', async () => {
  const { ask, begin, nats, simulator, processes } = cluster();
  expect((await ask()).status).toBe(200);
  const before = simulator.ledger.length;
  nats.pause();
  const refused = await Promise.all([
    ...Array.from({ length: 5 }, () => ask()),
    ...Array.from({ length: 5 }, () => begin({ stream: true }).answer),
  ]);
  for (const { status, durationMs } of refused) {
    expect(status).toBe(503);
    expect(durationMs).toBeLessThan(REFUSED_WITHIN_MS);
  }
  nats.resume();
  await Promise.all(processes.map((process) => process.ready()));
  // What is asked now comes after all that was held back, to every worker.
  await waitFor(async () => (await ask()).status === 200, { what: 'the bus to carry again' });
  await cluster().quiet();
  const served = new Set(
    (await cluster().rows()).filter(({ status }) => status === 200).map((row) => row.request_id),
  );
  const paid = simulator.ledger.slice(before).map(({ headers }) => headers['x-gateway-request-id']);
  expect(paid.filter((id) => !served.has(id ?? ''))).toEqual([]);
});

test('a stream that a paused NATS holds up ends with an error, and its provider is left', async () => {
  const { begin, nats, calls, processes } = cluster();
  const asking = begin({ text: 'sim:tokens=400;drip=50ms', stream: true });
  await asking.received(500);
  nats.pause();
  const { end, text, requestId } = await asking.answer;
  nats.resume();
  expect(end).toBe('error-event');
  const [call] = calls(requestId);
  expect(call?.text?.startsWith(text)).toBe(true);
  await waitFor(() => call?.ended === 'aborted-by-client', { what: 'the call to be left' });
  await Promise.all(processes.map((process) => process.ready()));
});
