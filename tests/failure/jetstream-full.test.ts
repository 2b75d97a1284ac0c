import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const REFUSED_WITHIN_MS = 3_000;

const cluster = useCluster();

test('a full stream refuses new requests, records the end of running ones, and goes on when there is room', async () => {
  const { ask, begin, bus, process, simulator, rows } = cluster();
  const writer = process('audit-writer-1');
  const running = Array.from({ length: 5 }, () =>
    begin({ text: 'sim:tokens=40;drip=50ms', stream: true }),
  );
  await Promise.all(running.map((asking) => asking.received(500)));
  const isRead = async () => (await bus.backlog()).stored === 0;
  await waitFor(isRead, { what: 'all events to be read' });
  await writer.terminate();
  // Nothing leaves the stream any more: one event fits, and no other.
  await bus.limitEvents({ messages: 1 });
  const last = await ask();
  expect(last.status).toBe(200);

  const before = simulator.ledger.length;
  const refused = await Promise.all(Array.from({ length: 5 }, () => ask()));
  for (const { status, errorCode, headers, durationMs } of refused) {
    expect([status, errorCode]).toEqual([503, 'audit_unavailable']);
    expect(headers['retry-after']).toBe('1');
    expect(durationMs).toBeLessThan(REFUSED_WITHIN_MS);
  }
  expect(simulator.ledger).toHaveLength(before);
  // Their events are on the disk of their service, so they end well.
  const answers = await Promise.all(running.map(({ answer }) => answer));
  expect(answers.map(({ end }) => end)).toEqual(Array(5).fill('whole'));
  const spooled = async () =>
    (await process('ingress-1').metric('gateway_spool_events')) +
    (await process('provider-worker-1').metric('gateway_spool_events'));
  await waitFor(async () => (await spooled()) > 0, { what: 'events in spools' });

  await bus.limitEvents({});
  await writer.start();
  const goesOn = async () => (await ask()).status === 200;
  await waitFor(goesOn, { what: 'requests to be taken again' });
  await cluster().quiet();
  for (const row of await rows(answers.map(({ requestId }) => requestId ?? ''))) {
    expect(row).toMatchObject({ ended: 'complete', assumed: false, output_tokens: 40 });
  }
});
