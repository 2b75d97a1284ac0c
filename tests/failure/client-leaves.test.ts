import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** The cancel travels over the bus to the worker, and from there to the provider. */
const LEFT_WITHIN_MS = 3_000;
const CLIENTS = 30;

const cluster = useCluster({
  configuration: `
timeouts: { first_byte_seconds: 4, idle_seconds: 3, total_seconds: 20 }
models:
  - match: finished
    targets: [{ provider: openai, model: gpt-4o-mini }]
    client_leaves: finish
`,
});

test.each([
  { when: 'before the first byte', text: 'sim:delay=3000ms', isStream: false, after: 0 },
  { when: 'mid-stream', text: 'sim:tokens=200;drip=50ms', isStream: true, after: 500 },
])('a client that leaves $when has its provider left, too', async ({ text, isStream, after }) => {
  const { begin, simulator, calls, rows } = cluster();
  const before = simulator.ledger.length;
  const asked = Array.from({ length: 5 }, () => begin({ text, stream: isStream }));
  await simulator.waitFor(({ id }) => id === before + asked.length);
  if (after > 0) await Promise.all(asked.map((asking) => asking.received(after)));
  for (const asking of asked) asking.leave();
  const left = simulator.ledger.slice(before);
  const areLeft = () => left.every(({ ended }) => ended === 'aborted-by-client');
  await waitFor(areLeft, { what: 'the providers to be left', timeoutMs: LEFT_WITHIN_MS });
  await cluster().quiet();
  const ids = left.map(({ headers }) => headers['x-gateway-request-id'] ?? '');
  for (const row of await rows(ids)) {
    expect(row).toMatchObject({ ended: 'client_closed', error_code: 'client_closed' });
    expect(row.attempt_details).toHaveLength(calls(row.request_id).length);
  }
});

test('clients that leave at any moment leave nothing behind', async () => {
  const { begin, createKey, ask, simulator } = cluster();
  const { key } = await createKey({ concurrency: CLIENTS });
  await waitFor(async () => (await ask({}, { key })).status === 200, { what: 'the key to work' });
  const asked = Array.from({ length: CLIENTS }, () =>
    begin({ text: 'sim:tokens=30;drip=10ms;delay=100ms', stream: true }, { key }),
  );
  for (const asking of asked) {
    await Promise.race([asking.received(1 + Math.floor(Math.random() * 3_000)), asking.answer]);
    asking.leave();
  }
  await Promise.all(asked.map(({ answer }) => answer));
  const areOver = () => simulator.ledger.every(({ ended }) => ended !== 'open');
  await waitFor(areOver, { what: 'all calls to be over' });
  await cluster().quiet();
  // Every slot is free again, or one of these would be refused.
  const again = await Promise.all(
    Array.from({ length: CLIENTS }, () => ask({ text: 'sim:delay=200ms' }, { key })),
  );
  expect(again.map(({ status }) => status)).toEqual(Array(CLIENTS).fill(200));
});

test('where its model says so, a call whose client left runs on to its end', async () => {
  const { begin, ask, simulator, rows } = cluster();
  const text = 'sim:tokens=30;drip=50ms';
  const asked = { text, model: 'finished', stream: true, body: { temperature: 0 } };
  const before = simulator.ledger.length;
  const asking = begin(asked);
  await asking.received(500);
  asking.leave();
  const call = simulator.ledger[before];
  await waitFor(() => call?.ended === 'complete', { what: 'the call to end' });
  await cluster().quiet();
  const [row] = await rows([call?.headers['x-gateway-request-id'] ?? '']);
  expect(row).toMatchObject({ ended: 'client_closed', output_tokens: 30 });
  expect(row?.attempt_details[0]?.usage_source).toBe('provider');
  const again = await ask(asked);
  expect([again.end, again.headers['x-gateway-cache']]).toEqual(['whole', 'hit']);
});
