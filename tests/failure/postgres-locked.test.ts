import { readFile } from 'node:fs/promises';
import { consumers } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { Client } from 'pg';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster({ acknowledgeWithinMs: consumers.auditWriter.acknowledgeWithinMs });

test('a lock on the table, longer than a statement may take, delays rows and nothing else', async () => {
  const { ask, bus, postgres, sql } = cluster();
  const locking = new Client({ connectionString: postgres.url });
  await locking.connect();
  try {
    await locking.query('BEGIN; LOCK TABLE requests IN ACCESS EXCLUSIVE MODE');
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask()));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(200));
    const isCancelled = async () =>
      (await readFile(postgres.logFile, 'utf8')).includes('due to statement timeout');
    await waitFor(isCancelled, { what: 'a statement to be cancelled', timeoutMs: 15_000 });
    expect((await bus.backlog()).stored).toBeGreaterThan(0);
    await locking.query('COMMIT');
  } finally {
    await locking.end();
  }
  const settled = async () => (await bus.backlog()).stored === 0;
  await waitFor(settled, { what: 'the events to be settled', timeoutMs: 30_000 });
  const [{ count } = {}] = await sql('SELECT count(*)::int AS count FROM requests');
  expect(count).toBe(50);
});
