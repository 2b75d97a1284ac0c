/**
 * A writer to be killed: writes batches into the PGlite of the directory given, prints the request ids
 * of each after its commit, and never ends.
 */
import { writeSync } from 'node:fs';
import { createLogger } from '@gateway/telemetry';
import { DatabaseOutage } from '../src/database-outage.ts';
import { migrate } from '../src/migrate.ts';
import { openPglite } from '../src/pglite.ts';
import { BatchWriter } from '../src/write-batch.ts';
import { deliveryOf, eventsOf } from './events.ts';

const BATCH_LENGTH = 50;

const database = openPglite(process.argv[2] ?? '');
await migrate(database);
const logger = createLogger('audit-writer', { level: 'silent' });
const { signal } = new AbortController();
const outage = new DatabaseOutage(logger);
const writer = new BatchWriter({ database, outage, logger, signal, holdMs: 0, gatherMs: 0 });
for (;;) {
  const events = Array.from({ length: BATCH_LENGTH }, () => eventsOf());
  const deliveries = events.map(({ finished }) => deliveryOf(finished()));
  await writer.write(deliveries);
  const ids = events
    .filter((_, index) => deliveries[index]?.settlement === 'acknowledged')
    .map(({ requestId }) => requestId);
  writeSync(1, `${ids.join(' ')}\n`);
}
