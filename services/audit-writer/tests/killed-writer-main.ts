/** A writer that takes a batch from NATS, commits it, and dies before it acknowledges. */
import { connectNatsBus } from '@gateway/bus';
import { consumers, newInstanceId } from '@gateway/protocol';
import { Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import type { Database } from '../src/database.ts';
import { DatabaseOutage } from '../src/database-outage.ts';
import { migrate } from '../src/migrate.ts';
import { openPostgres } from '../src/postgres.ts';
import { BatchWriter } from '../src/write-batch.ts';

const BATCH_MAX = 40;

const [natsUrl = '', databaseUrl = ''] = process.argv.slice(2);
const postgres = openPostgres({ url: new Secret(databaseUrl) });
await migrate(postgres);
const database: Database = {
  ...postgres,
  write: async (statements) => {
    await postgres.write(statements);
    process.kill(process.pid, 'SIGKILL');
    return new Promise(() => {});
  },
};
const logger = createLogger('audit-writer', { level: 'silent' });
const bus = await connectNatsBus({
  url: natsUrl,
  identity: { service: 'audit-writer', instance: newInstanceId() },
  logger,
});
const { signal } = new AbortController();
const outage = new DatabaseOutage(logger);
const writer = new BatchWriter({ database, outage, logger, signal, holdMs: 0, gatherMs: 0 });
await bus.consume(consumers.auditWriter, writer.write, { batchMax: BATCH_MAX, lingerMs: 25 });
