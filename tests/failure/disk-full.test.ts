import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { mayMountDisks } from '../cluster/fillable-disk.ts';
import { startCluster } from '../cluster/start-cluster.ts';

const REFUSED_WITHIN_MS = 4_000;

// Only root may mount disks.
test.skipIf(!mayMountDisks)('a full disk of NATS refuses new requests and loses none', async () => {
  await using cluster = await startCluster({ disks: ['nats'] });
  const { ask, begin, disk, nats, simulator, process } = cluster;
  const running = Array.from({ length: 3 }, () =>
    begin({ text: 'sim:tokens=60;drip=50ms', stream: true }),
  );
  await Promise.all(running.map((asking) => asking.received(500)));
  await disk('nats').fill();
  const filled = await Promise.all(Array.from({ length: 30 }, () => ask()));
  // What still fits into a block that was there is taken, until there is none.
  const isFull = async () => {
    const answer = await ask();
    filled.push(answer);
    return answer.status === 503;
  };
  await waitFor(isFull, { what: 'a request to be refused', timeoutMs: 30_000, intervalMs: 0 });
  const before = simulator.ledger.length;
  const refused = await Promise.all(Array.from({ length: 5 }, () => ask()));
  for (const { status, errorCode, durationMs } of refused) {
    expect([status, errorCode]).toEqual([503, expect.stringMatching(/^(audit|bus)_unavailable$/)]);
    expect(durationMs).toBeLessThan(REFUSED_WITHIN_MS);
  }
  expect(simulator.ledger).toHaveLength(before);
  const streams = await Promise.all(running.map(({ answer }) => answer));
  expect(streams.map(({ end }) => end)).toEqual(Array(3).fill('whole'));
  disk('nats').free();
  // JetStream gives itself up where it cannot write, and is back only with its server.
  await nats.restart();
  const pids = [process('ingress-1'), process('provider-worker-1')].map(({ node }) => node.pid);
  const works = async () => {
    const answer = await ask();
    filled.push(answer);
    return answer.status === 200;
  };
  await waitFor(works, { what: 'requests to be taken again' });
  const answers = [...filled, ...refused, ...streams];
  const isRecorded = async () => (await cluster.problems(answers)).length === 0;
  await waitFor(isRecorded, { what: 'all rows', timeoutMs: 20_000 }).catch(() => undefined);
  expect(await cluster.problems(answers)).toEqual([]);
  expect([process('ingress-1'), process('provider-worker-1')].map(({ node }) => node.pid)).toEqual(
    pids,
  );
});

test.skipIf(!mayMountDisks)('a full disk of PostgreSQL is not seen by clients', async () => {
  await using cluster = await startCluster({ disks: ['postgres'] });
  const { ask, disk, postgres } = cluster;
  const answers = [await ask()];
  await cluster.quiet();
  await disk('postgres').fill();
  for (let round = 0; round < 10; round += 1) {
    answers.push(...(await Promise.all(Array.from({ length: 20 }, () => ask()))));
  }
  expect(answers.map(({ status }) => status)).toEqual(Array(201).fill(200));
  disk('postgres').free();
  // It ends itself where it cannot write its log.
  await postgres.restart();
  const isRecorded = async () => (await cluster.problems(answers)).length === 0;
  await waitFor(isRecorded, { what: 'all rows', timeoutMs: 30_000 }).catch(() => undefined);
  expect(await cluster.problems(answers)).toEqual([]);
});

test.skipIf(!mayMountDisks)('a full disk under the spools refuses rather than lose', async () => {
  await using cluster = await startCluster({ disks: ['spool'] });
  const { ask, begin, disk, nats } = cluster;
  await ask();
  const running = Array.from({ length: 3 }, () =>
    begin({ text: 'sim:tokens=60;drip=50ms', stream: true }),
  );
  await Promise.all(running.map((asking) => asking.received(500)));
  await disk('spool').fill();
  await nats.kill();
  const refused = await Promise.all(Array.from({ length: 20 }, () => ask()));
  for (const { status, errorCode, durationMs } of refused) {
    expect([status, errorCode]).toEqual([503, expect.stringMatching(/^(audit|bus)_unavailable$/)]);
    expect(durationMs).toBeLessThan(REFUSED_WITHIN_MS);
  }
  const streams = await Promise.all(running.map(({ answer }) => answer));
  expect(streams.map(({ end }) => end)).toEqual(Array(3).fill('error-event'));
  disk('spool').free();
  await nats.restart();
  await waitFor(async () => (await ask()).status === 200, { what: 'requests to be taken again' });
  const ids = [...refused, ...streams].flatMap(({ requestId, errorCode }) =>
    errorCode === 'audit_unavailable' ? [] : [requestId ?? ''],
  );
  const rows = async () => (await cluster.rows(ids)).filter(({ status }) => status !== null);
  const areRecorded = async () => (await rows()).length === ids.length;
  await waitFor(areRecorded, { what: 'all rows', timeoutMs: 30_000 });
});
