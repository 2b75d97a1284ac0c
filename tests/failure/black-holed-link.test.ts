import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** Pings of NATS go every five seconds, and two may stay without an answer. */
const NOTICED_WITHIN_MS = 20_000;
/** A request that is not accepted is given up after a second, and tried once more. */
const ANSWERED_WITHIN_MS = 5_000;

const cluster = useCluster({
  processes: { 'provider-worker': 2 },
  proxied: { 'provider-worker': ['nats'] },
});

test('a worker whose link swallows everything costs a wait until it is noticed', async () => {
  const { ask, process, simulator } = cluster();
  const worker = process('provider-worker-1');
  const swallow = (blackHole: boolean) => {
    const link = worker.link('nats');
    link.setToxics('upstream', { blackHole });
    link.setToxics('downstream', { blackHole });
  };
  swallow(true);
  const answers = await Promise.all(Array.from({ length: 8 }, () => ask()));
  for (const { status, errorCode, durationMs } of answers) {
    expect([
      [200, undefined],
      [502, 'worker_lost'],
    ]).toContainEqual([status, errorCode]);
    expect(durationMs).toBeLessThan(ANSWERED_WITHIN_MS);
  }
  await worker.notReady(NOTICED_WITHIN_MS);
  const hasLeft = async () => {
    const round = await Promise.all(Array.from({ length: 8 }, () => ask()));
    return round.every(({ status, durationMs }) => status === 200 && durationMs < 1_000);
  };
  await waitFor(hasLeft, { what: 'the peer to serve alone', timeoutMs: NOTICED_WITHIN_MS });
  const before = simulator.ledger.length;
  swallow(false);
  await worker.ready();
  // What the link had held back is too old to be paid for.
  expect((await ask()).status).toBe(200);
  expect(simulator.ledger).toHaveLength(before + 1);
});
