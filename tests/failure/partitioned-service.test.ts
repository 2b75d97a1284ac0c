import { waitFor } from '@gateway/testing';
import { afterEach, expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster({
  processes: { ingress: 2, 'provider-worker': 2, 'rate-limiter': 2, cache: 2 },
  proxied: {
    ingress: ['nats'],
    'provider-worker': ['nats'],
    'rate-limiter': ['nats'],
    cache: ['nats'],
    'audit-writer': ['nats'],
  },
});

afterEach(async () => {
  const { processes } = cluster();
  for (const process of processes) await process.link('nats').up();
  await Promise.all(processes.map((process) => process.ready()));
});

const limit = { requests: 100_000, window_seconds: 60 };
const many = (count: number) => Array.from({ length: count }, () => undefined);

test.each(['provider-worker', 'rate-limiter', 'cache'] as const)(
  'the peers of a %s that is cut off take its work',
  async (service) => {
    const { ask, process, createKey } = cluster();
    const { key } = await createKey({ limit });
    await waitFor(async () => (await ask({}, { key })).status === 200, { what: 'the key to work' });
    const cut = process(`${service}-1`);
    await cut.link('nats').down();
    await cut.notReady();
    const answers = await Promise.all(
      many(20).map((_, index) =>
        ask({ text: `sim:nonce=${service}${index}`, body: { temperature: 0 } }, { key }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
    const outcomes = new Set(answers.map(({ headers }) => headers['x-gateway-cache']));
    expect([...outcomes]).toEqual(['miss']);
  },
);

test('an ingress that is cut off says so, refuses, and the other one serves', async () => {
  const { ask, process, simulator } = cluster();
  const cut = process('ingress-1');
  await cut.link('nats').down();
  await cut.notReady();
  expect((await fetch(`${cut.baseUrl}/readyz`)).status).toBe(503);
  const before = simulator.ledger.length;
  const refused = await ask();
  expect([refused.status, refused.errorCode]).toEqual([
    503,
    expect.stringMatching(/^(bus|audit)_unavailable$/),
  ]);
  expect(simulator.ledger).toHaveLength(before);
  expect((await ask({}, { ingress: 'ingress-2' })).status).toBe(200);
});

test('streams of an ingress that is cut off break, and their provider calls are left', async () => {
  const { begin, process, calls } = cluster();
  const asking = begin({ text: 'sim:tokens=400;drip=50ms', stream: true });
  await asking.received(500);
  await process('ingress-1').link('nats').down();
  const { end, requestId } = await asking.answer;
  expect(end).toBe('error-event');
  const [call] = calls(requestId);
  await waitFor(() => call?.ended === 'aborted-by-client', { what: 'the call to be left' });
});

test('events wait for an audit-writer that is cut off', async () => {
  const { ask, process, bus, rows } = cluster();
  const writer = process('audit-writer-1');
  await writer.link('nats').down();
  await writer.notReady();
  const answers = await Promise.all(many(10).map(() => ask()));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
  const ids = answers.map(({ requestId }) => requestId ?? '');
  expect(await rows(ids)).toEqual([]);
  await waitFor(async () => (await bus.backlog()).pending > 0, { what: 'the events to wait' });
});
