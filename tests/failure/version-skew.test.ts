import { EVENT_SCHEMA, newRequestId, subjects } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { startCluster } from '../cluster/start-cluster.ts';

test('an event of a newer version waits for a newer writer, and all others flow', async () => {
  await using cluster = await startCluster();
  const { ask, bus, problems, process } = cluster;
  const first = await ask();
  await cluster.quiet();
  const newer = { schema: EVENT_SCHEMA + 1, kind: 'received', requestId: newRequestId() };
  await bus.publishEvent(subjects.event('received'), JSON.stringify(newer));
  const answers = [first, ...(await Promise.all(Array.from({ length: 10 }, () => ask())))];
  const isRecorded = async () => (await problems(answers)).length === 0;
  await waitFor(isRecorded, { what: 'the rows of all others' });
  // Neither dropped nor put aside, and no reason to call the writer unfit.
  const waits = async () => (await bus.backlog()).stored === 1;
  await waitFor(waits, { what: 'the newer event alone to wait' });
  expect((await bus.backlog()).quarantined).toBe(0);
  expect((await process('audit-writer-1').readiness()).status).toBe('ready');
});
