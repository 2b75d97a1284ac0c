import { consumers } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import type { Cluster } from '../cluster/start-cluster.ts';
import { useCluster } from './use-cluster.ts';

const REQUESTS = 200;
/** Many times faster than the requests came. */
const DRAINED_WITHIN_MS = 10_000;

/** A session keeps the settings that it began with. */
const END_SESSIONS =
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'gateway-%'";

const cluster = useCluster({ acknowledgeWithinMs: consumers.auditWriter.acknowledgeWithinMs });

const outages: readonly {
  readonly name: string;
  begin(cluster: Cluster): Promise<void> | void;
  end(cluster: Cluster): Promise<void> | void;
}[] = [
  { name: 'is killed', begin: (c) => c.postgres.kill(), end: (c) => c.postgres.restart() },
  { name: 'hangs', begin: (c) => c.postgres.pause(), end: (c) => c.postgres.resume() },
  {
    name: 'became read-only',
    begin: async ({ sql }) => {
      await sql('ALTER DATABASE gateway SET default_transaction_read_only = on');
      await sql(END_SESSIONS);
    },
    end: async ({ sql }) => {
      await sql(
        'BEGIN READ WRITE; ALTER DATABASE gateway RESET default_transaction_read_only; COMMIT',
      );
      await sql(END_SESSIONS);
    },
  },
];

describe.each(outages)('a PostgreSQL that $name', ({ begin, end }) => {
  test('is not seen by clients, and every row comes when it is back', async () => {
    const all = cluster();
    const { ask, process, bus } = all;
    await begin(all);
    const answers = [];
    for (let left = REQUESTS; left > 0; left -= 20) {
      answers.push(...(await Promise.all(Array.from({ length: 20 }, () => ask()))));
    }
    expect(answers.map(({ status }) => status)).toEqual(Array(REQUESTS).fill(200));
    expect((await process('ingress-1').readiness()).status).toBe('ready');
    expect((await bus.backlog()).stored).toBeGreaterThan(0);
    await end(all);
    const settled = async () => (await bus.backlog()).stored === 0;
    await waitFor(settled, { what: 'the events to be settled', timeoutMs: DRAINED_WITHIN_MS });
  });
});

test('the audit cannot be read without PostgreSQL, and the admin API says so', async () => {
  const { admin, postgres } = cluster();
  await postgres.kill();
  const refused = await admin('/admin/v1/requests');
  expect(refused.status).toBe(503);
  await postgres.restart();
  const works = async () => (await admin('/admin/v1/requests')).ok;
  await waitFor(works, { what: 'the audit to be read again' });
});
