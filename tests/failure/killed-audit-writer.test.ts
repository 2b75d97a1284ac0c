import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster({ proxied: { 'audit-writer': ['nats'] } });
const ROUNDS = 8;
const ROUND_REQUESTS = 20;

test('a writer killed over and over loses no row and writes none twice', async () => {
  const { ask, process, rows } = cluster();
  const writer = process('audit-writer-1');
  const ids: (string | undefined)[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const asked = Array.from({ length: ROUND_REQUESTS }, () => ask());
    // It has committed some of the events of this round, and acknowledged some of those.
    await Promise.all(asked.slice(0, 1 + round));
    await writer.kill();
    const answers = await Promise.all(asked);
    expect(answers.map(({ status }) => status)).toEqual(Array(ROUND_REQUESTS).fill(200));
    ids.push(...answers.map(({ requestId }) => requestId));
    await writer.start();
  }
  await cluster().quiet();
  expect((await rows()).map(({ request_id }) => request_id).sort()).toEqual(ids.sort());
});

test('what a writer committed and could not acknowledge is delivered again and written once', async () => {
  const { ask, process, rows, bus } = cluster();
  const writer = process('audit-writer-1');
  // A pull is with the server already; what the writer answers to its events does not arrive.
  writer.link('nats').setToxics('upstream', { blackHole: true });
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask()));
  const ids = answers.map(({ requestId }) => requestId ?? '');
  await waitFor(async () => (await rows(ids)).length > 0, { what: 'rows' });
  expect((await bus.backlog()).delivered).toBeGreaterThan(0);
  await writer.kill();
  writer.link('nats').setToxics('upstream', {});
  await writer.start();
  await cluster().quiet();
  expect((await rows(ids)).map(({ attempts }) => attempts)).toEqual(Array(20).fill(1));
});
