import type { AuditRow } from '@gateway/protocol';
import { createLogger } from '@gateway/telemetry';
import type { Database } from '../src/database.ts';
import { DatabaseOutage } from '../src/database-outage.ts';
import { migrate } from '../src/migrate.ts';
import { leastRequestId, makePartitions } from '../src/partitions.ts';
import { cursorOf, queryAudit } from '../src/query.ts';
import type { RequestEvent } from '../src/row.ts';
import { BatchWriter } from '../src/write-batch.ts';
import { deliveryOf, type RecordedDelivery } from './events.ts';

const logger = createLogger('audit-writer', { level: 'silent' });

export interface DatabaseUnderTest {
  /** A new and empty database, not yet migrated. */
  readonly openEmpty: () => Promise<Database>;
  readonly propertyRuns: number;
}

/** The database that most tests of a suite share. */
export interface MigratedDatabase {
  readonly database: Database;
  write(...events: readonly unknown[]): Promise<readonly RecordedDelivery[]>;
  rowOf(requestId: string): Promise<AuditRow | undefined>;
}

export async function openMigrated(openEmpty: () => Promise<Database>): Promise<MigratedDatabase> {
  const database = await openEmpty();
  await migrate(database);
  await makePartitions(database, new Date());
  return {
    database,
    write: writerOf(database),
    async rowOf(requestId) {
      const cursor = cursorOf(idAfter(requestId));
      const { data } = await queryAudit(database, { limit: 2, cursor });
      return data.find((row) => row.request_id === requestId);
    },
  };
}

/** A writer of its own, which waits for the end of no request. */
export function writerOf(database: Database) {
  const writer = batchWriterOf(database, 0);
  return async (...events: readonly (RequestEvent | unknown)[]) => {
    const deliveries = events.map((event) => deliveryOf(event));
    await writer.write(deliveries);
    return deliveries;
  };
}

export function batchWriterOf(database: Database, holdMs: number, gatherMs = 0): BatchWriter {
  const { signal } = new AbortController();
  const outage = new DatabaseOutage(logger);
  return new BatchWriter({ database, outage, logger, signal, holdMs, gatherMs });
}

/** A request id of that time. */
export function idAt(timeMs: number): string {
  return leastRequestId(timeMs).replace(/0000-0000-(.{12})$/, '7000-8000-$1');
}

function idAfter(requestId: string): string {
  const next = BigInt(`0x${requestId.replaceAll('-', '')}`) + 1n;
  return next.toString(16).padStart(32, '0');
}
