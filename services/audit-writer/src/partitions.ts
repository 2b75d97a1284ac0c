/**
 * A partition holds the requests of one month, by the time in their ids. They are made ahead; what
 * belongs to no partition waits in the default one and is moved when its month gets one.
 */
import type { Connection, Database } from './database.ts';

/** Held while tables are made, by one writer at a time. */
export const SCHEMA_LOCK = 7_203_448_161;

const MONTHS_AHEAD = 2;
const TABLES = ['requests', 'attempts'] as const;

export interface Month {
  /** For example `2026_11`. */
  readonly name: string;
  /** The first id of the month, and of the next one. */
  readonly from: string;
  readonly to: string;
}

/** The least UUID version 7 of a time in milliseconds since 1970, the version's own bits left zero. */
export function leastRequestId(timeMs: number): string {
  const hex = Math.max(0, Math.trunc(timeMs)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

export function monthOf(time: Date, monthsLater = 0): Month {
  const year = time.getUTCFullYear();
  const month = time.getUTCMonth() + monthsLater;
  const first = new Date(Date.UTC(year, month));
  const name = first.toISOString().slice(0, 7).replace('-', '_');
  return {
    name,
    from: leastRequestId(first.getTime()),
    to: leastRequestId(Date.UTC(year, month + 1)),
  };
}

/** Makes the partitions of this month and the coming ones, where missing. */
export async function makePartitions(database: Database, now: Date): Promise<void> {
  const months = Array.from({ length: MONTHS_AHEAD + 1 }, (_, later) => monthOf(now, later));
  const wanted = months.flatMap((month) =>
    TABLES.map((table) => ({ table, month, name: `${table}_${month.name}` })),
  );
  const existing = await partitionNames(database);
  if (wanted.every(({ name }) => existing.has(name))) return;
  await database.transaction(async (connection) => {
    await connection.query(`SELECT pg_advisory_xact_lock(${SCHEMA_LOCK})::text`);
    const present = await partitionNames(connection);
    for (const { table, month, name } of wanted) {
      if (!present.has(name)) await connection.script(partitionScript(table, name, month));
    }
  });
}

async function partitionNames(connection: Connection): Promise<ReadonlySet<string>> {
  const rows = await connection.query(
    `SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent IN ('requests'::regclass, 'attempts'::regclass)`,
  );
  return new Set(rows.map((row) => String(row.name)));
}

/** The names are made of constants and digits. */
function partitionScript(table: string, name: string, month: Month): string {
  return `
    CREATE TABLE ${name} (LIKE ${table} INCLUDING ALL);
    LOCK TABLE ${table}_default IN ACCESS EXCLUSIVE MODE;
    WITH moved AS (
      DELETE FROM ${table}_default
      WHERE request_id >= '${month.from}' AND request_id < '${month.to}' RETURNING *
    ) INSERT INTO ${name} SELECT * FROM moved;
    ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM ('${month.from}') TO ('${month.to}');
  `;
}
