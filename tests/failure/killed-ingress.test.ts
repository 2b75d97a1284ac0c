import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const STREAMS = 10;

const cluster = useCluster({
  processes: { ingress: 2 },
  configuration: 'timeouts: { first_byte_seconds: 3, idle_seconds: 3, total_seconds: 5 }',
});

test('its streams break, its provider calls are left, and its requests are closed', async () => {
  const { begin, process, calls, rows } = cluster();
  const killed = process('ingress-1');
  const asked = Array.from({ length: STREAMS }, () =>
    begin({ text: 'sim:tokens=400;drip=50ms', stream: true }),
  );
  await Promise.all(asked.map((asking) => asking.received(500)));
  await killed.kill();
  const answers = await Promise.all(asked.map(({ answer }) => answer));
  for (const { end, body, text, requestId } of answers) {
    expect(end).toBe('cut');
    expect(body).not.toContain('[DONE]');
    const [call] = calls(requestId);
    expect(call?.text?.startsWith(text)).toBe(true);
    await waitFor(() => call?.ended === 'aborted-by-client', { what: 'the call to be left' });
  }
  await cluster().quiet();
  for (const row of await rows(answers.map(({ requestId }) => requestId ?? ''))) {
    expect(row).toMatchObject({
      status: 500,
      ended: 'abandoned',
      error_code: 'ingress_lost',
      assumed: true,
      attempts: 1,
    });
    expect(row.attempt_details[0]?.usage_source).toBe('estimated');
  }
  await killed.start();
});

test('what it was about to ask of a provider has its row, too', async () => {
  const { begin, ask, process, rows, simulator } = cluster();
  const killed = process('ingress-1');
  const before = simulator.ledger.length;
  const asked = Array.from({ length: STREAMS }, () => begin({ text: 'sim:delay=2500ms' }));
  await simulator.waitFor(({ id }) => id >= before + STREAMS);
  const ids = simulator.ledger.map(({ headers }) => headers['x-gateway-request-id'] ?? '');
  await killed.kill();
  const answers = await Promise.all(asked.map(({ answer }) => answer));
  expect(answers.map(({ end }) => end)).toEqual(Array(STREAMS).fill('unreachable'));
  expect((await ask({}, { ingress: 'ingress-2' })).status).toBe(200);
  await cluster().quiet();
  const lost = await rows(ids.slice(-STREAMS));
  expect(lost.map(({ ended, attempts }) => [ended, attempts])).toEqual(
    Array(STREAMS).fill(['abandoned', 1]),
  );
  await killed.start();
});
