import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { failureOf } from '../src/database.ts';
import { migrate, SchemaTooNew } from '../src/migrate.ts';
import { makePartitions } from '../src/partitions.ts';
import { queryAudit } from '../src/query.ts';
import {
  type DatabaseUnderTest,
  idAt,
  type MigratedDatabase,
  openMigrated,
} from './database-under-test.ts';
import { eventsOf } from './events.ts';

const SCHEMA_VERSION = 4;

export function describeSchema({ openEmpty }: DatabaseUnderTest): void {
  describe('schema', () => {
    let shared: MigratedDatabase;
    beforeAll(async () => {
      shared = await openMigrated(openEmpty);
    });
    afterAll(() => shared.database.close());

    test('may be migrated again, and by several at once', async () => {
      const fresh = await openEmpty();
      const now = new Date();
      const start = async () => {
        await migrate(fresh);
        await makePartitions(fresh, now);
      };
      await Promise.all([start(), start(), start()]);
      await start();
      expect(await fresh.query('SELECT name FROM schema_migrations')).toHaveLength(SCHEMA_VERSION);
      await fresh.close();
    });

    test('a newer one is refused in words', async () => {
      const fresh = await openEmpty();
      await migrate(fresh);
      await fresh.query("INSERT INTO schema_migrations (version, name) VALUES (9999, 'later')");
      await expect(migrate(fresh)).rejects.toThrow(SchemaTooNew);
      await expect(migrate(fresh)).rejects.toThrow(/has schema 9999, this version knows 4/);
      await fresh.close();
    });

    test('rows that came before their partition move into it', async () => {
      const { database, write } = await openMigrated(openEmpty);
      const month = new Date(Date.UTC(2031, 4));
      const events = eventsOf(idAt(month.getTime()));
      await write(events.received(), events.attempted());
      const place = () =>
        database.query(
          `SELECT r.tableoid::regclass::text AS r, a.tableoid::regclass::text AS a
           FROM requests r JOIN attempts a USING (request_id)`,
        );
      expect(await place()).toEqual([{ r: 'requests_default', a: 'attempts_default' }]);
      await makePartitions(database, month);
      expect(await place()).toEqual([{ r: 'requests_2031_05', a: 'attempts_2031_05' }]);
      await write(events.finished());
      expect((await queryAudit(database, { limit: 9 })).data).toMatchObject([{ status: 200 }]);
      await database.close();
    });

    test('says which errors are those of the data', async () => {
      const failure = (sql: string) => shared.database.query(sql).then(() => 'none', failureOf);
      expect(await failure('SELECT 1/0')).toBe('data');
      expect(await failure('SELECT * FROM no_such_table')).toBe('unavailable');
      const closed = await openEmpty();
      await closed.close();
      const refused = await Promise.resolve()
        .then(() => closed.query('SELECT 1'))
        .then(() => 'none', failureOf);
      expect(refused).toBe('unavailable');
    });

    test('a transaction that fails leaves nothing and the next one works', async () => {
      const failing = shared.database.transaction(async (connection) => {
        await connection.query('CREATE TABLE half_done (a integer)');
        await connection.query('SELECT 1/0');
      });
      await expect(failing).rejects.toThrow();
      const rows = await shared.database.query(`SELECT to_regclass('half_done')::text AS name`);
      expect(rows).toEqual([{ name: null }]);
    });
  });
}
