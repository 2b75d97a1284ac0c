import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** A request that nobody accepts is given up after a second, and tried once more. */
const ANSWERED_WITHIN_MS = 6_000;

const cluster = useCluster({ processes: { 'provider-worker': 2 } });

test('what a paused worker was given is never sent to a provider when it goes on', async () => {
  const { ask, process, calls, simulator } = cluster();
  const paused = process('provider-worker-1');
  paused.pause();
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask()));
  for (const { status, errorCode, durationMs } of answers) {
    expect([
      [200, undefined],
      [502, 'worker_lost'],
    ]).toContainEqual([status, errorCode]);
    expect(durationMs).toBeLessThan(ANSWERED_WITHIN_MS);
  }
  const before = simulator.ledger.length;
  paused.resume();
  await paused.ready();
  // Both workers have worked off what they were given before they serve these.
  const served = await Promise.all(Array.from({ length: 20 }, () => ask()));
  expect(served.map(({ status }) => status)).toEqual(Array(20).fill(200));
  expect(simulator.ledger.length - before).toBe(20);
  for (const { requestId, status } of answers) {
    expect(calls(requestId)).toHaveLength(status === 200 ? 1 : 0);
  }
});

test('a stream of a paused worker ends with an error, and its call when it goes on', async () => {
  const { begin, process, calls, ask } = cluster();
  const workers = [process('provider-worker-1'), process('provider-worker-2')];
  const asking = begin({ text: 'sim:tokens=400;drip=50ms', stream: true });
  await asking.received(500);
  for (const worker of workers) worker.pause();
  const { end, errorCode, durationMs, requestId, text } = await asking.answer;
  for (const worker of workers) worker.resume();
  expect([end, errorCode]).toEqual(['error-event', 'worker_lost']);
  expect(durationMs).toBeLessThan(ANSWERED_WITHIN_MS);
  const [call] = calls(requestId);
  expect(call?.text?.startsWith(text)).toBe(true);
  await waitFor(() => call?.ended === 'aborted-by-client', { what: 'the call to be left' });
  expect((await ask()).status).toBe(200);
});
