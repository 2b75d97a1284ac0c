import { readdir, readFile } from 'node:fs/promises';
import type { Connection, Database } from './database.ts';
import { SCHEMA_LOCK } from './partitions.ts';

const MIGRATIONS = new URL('./migrations/', import.meta.url);
const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;

/** The database was migrated by a newer version of the gateway. */
export class SchemaTooNew extends Error {
  override readonly name = 'SchemaTooNew';

  constructor(found: number, known: number) {
    super(
      `the database has schema ${found}, this version knows ${known}: ` +
        'run the version that migrated it, or a newer one',
    );
  }
}

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly sql: string;
}

/**
 * Brings the schema to what this version writes, forward only, all or nothing. Several writers may
 * do so at once: one does it, the others wait. Throws `SchemaTooNew`.
 */
export async function migrate(database: Database): Promise<void> {
  const migrations = await readMigrations();
  await database.transaction(async (connection) => {
    await connection.query('SET LOCAL statement_timeout = 0');
    await connection.query(`SELECT pg_advisory_xact_lock(${SCHEMA_LOCK})::text`);
    const current = await schemaVersion(connection);
    const known = migrations.at(-1)?.version ?? 0;
    if (current > known) throw new SchemaTooNew(current, known);
    for (const { version, name, sql } of migrations) {
      if (version <= current) continue;
      await connection.script(sql);
      await connection.query('INSERT INTO schema_migrations (version, name) VALUES ($1, $2)', [
        version,
        name,
      ]);
    }
  });
}

async function schemaVersion(connection: Connection): Promise<number> {
  await connection.query(
    `CREATE TABLE IF NOT EXISTS schema_migrations (
       version integer PRIMARY KEY,
       name text NOT NULL,
       applied_at timestamptz NOT NULL DEFAULT now()
     )`,
  );
  const [row] = await connection.query(
    'SELECT coalesce(max(version), 0)::text AS version FROM schema_migrations',
  );
  return Number(row?.version);
}

async function readMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(MIGRATIONS)).filter((name) => FILE_NAME.test(name)).sort();
  return Promise.all(
    names.map(async (name) => ({
      version: Number(name.slice(0, 4)),
      name,
      sql: await readFile(new URL(name, MIGRATIONS), 'utf8'),
    })),
  );
}
