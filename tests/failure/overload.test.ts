import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { startCluster } from '../cluster/start-cluster.ts';

const RUNNING_MAX = 20;
/** Less than what the requests that run take. */
const REFUSED_WITHIN_MS = 2_500;

test('what is too much is refused at once and unrecorded, and what runs is not disturbed', async () => {
  await using cluster = await startCluster({
    environments: { ingress: { GATEWAY_MAX_RUNNING_REQUESTS: String(RUNNING_MAX) } },
  });
  const { ask, begin, simulator, rows, problems } = cluster;
  const running = Array.from({ length: RUNNING_MAX }, () =>
    begin({ text: 'sim:tokens=60;drip=50ms', stream: true }),
  );
  await Promise.all(running.map((asking) => asking.received(200)));
  const before = simulator.ledger.length;
  const refused = await Promise.all(Array.from({ length: 3 * RUNNING_MAX }, () => ask()));
  for (const { status, errorCode, headers, durationMs } of refused) {
    expect([status, errorCode]).toEqual([503, 'overloaded']);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect(durationMs).toBeLessThan(REFUSED_WITHIN_MS);
  }
  expect(simulator.ledger).toHaveLength(before);
  const answers = await Promise.all(running.map(({ answer }) => answer));
  expect(answers.map(({ end }) => end)).toEqual(Array(RUNNING_MAX).fill('whole'));
  answers.push(await ask());
  expect(answers.at(-1)?.status).toBe(200);
  await cluster.quiet();
  // Shed before the key was looked at: nobody is known to be charged for it.
  expect(await rows(refused.map(({ requestId }) => requestId ?? ''))).toEqual([]);
  await waitFor(async () => (await problems(answers)).length === 0, { what: 'the rows' });
});
