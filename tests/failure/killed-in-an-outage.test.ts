import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** A client of NATS with its default settings gives up after this, and never comes back. */
const LONG_OUTAGE_MS = 25_000;
const STREAMS = 5;

const cluster = useCluster({ processes: { ingress: 2, 'provider-worker': 2 } });

test('the events of processes that die in a long outage of NATS are sent by others', async () => {
  const { ask, begin, nats, process, rows, calls } = cluster();
  const running = ['ingress-1', 'ingress-2'].flatMap((ingress) =>
    Array.from({ length: STREAMS }, () =>
      begin({ text: 'sim:tokens=200;drip=50ms', stream: true }, { ingress }),
    ),
  );
  await Promise.all(running.map((asking) => asking.received(500)));
  await nats.kill();
  const outage = Date.now();
  const broken = await Promise.all(running.map(({ answer }) => answer));
  expect(broken.map(({ end }) => end)).toEqual(Array(2 * STREAMS).fill('error-event'));
  const refused = await Promise.all(Array.from({ length: 10 }, () => ask()));
  expect(refused.map(({ status }) => status)).toEqual(Array(10).fill(503));
  const areLeft = () => broken.every((one) => calls(one.requestId)[0]?.ended !== 'open');
  await waitFor(areLeft, { what: 'the provider calls to be left' });
  const survivors = [process('ingress-2'), process('provider-worker-2')];
  const ingress = process('ingress-1');
  const hasSpooled = async () =>
    (await ingress.metric('gateway_spool_events')) >= STREAMS + refused.length;
  await waitFor(hasSpooled, { what: 'the ends of requests in the spool of the ingress' });
  await ingress.kill();
  await process('provider-worker-1').kill();
  await waitFor(() => Date.now() - outage > LONG_OUTAGE_MS, {
    what: 'the outage to be long',
    timeoutMs: 2 * LONG_OUTAGE_MS,
  });
  const pids = survivors.map(({ node }) => node.pid);
  await nats.restart();
  const works = async () => (await ask({}, { ingress: 'ingress-2' })).status === 200;
  await waitFor(works, { what: 'requests to be answered again' });
  expect(survivors.map(({ node }) => node.pid)).toEqual(pids);
  const ids = [...broken, ...refused].map(({ requestId }) => requestId ?? '');
  const areRecorded = async () => {
    const found = (await rows(ids)).filter(({ status }) => status !== null);
    return found.length === ids.length;
  };
  await waitFor(areRecorded, { what: 'all rows', timeoutMs: 30_000 });
  for (const row of await rows(broken.map(({ requestId }) => requestId ?? ''))) {
    expect(row).toMatchObject({ status: 200, ended: 'interrupted' });
  }
  await Promise.all([ingress.start(), process('provider-worker-1').start()]);
});
