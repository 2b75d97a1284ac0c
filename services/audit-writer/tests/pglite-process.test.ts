import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { putNewLedger } from '@gateway/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { WAITING_MAX } from '../src/database.ts';
import { migrate } from '../src/migrate.ts';
import { openPglite } from '../src/pglite.ts';

const directory = mkdtempSync(join(tmpdir(), 'gateway-pglite-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const BATCHES_BEFORE_KILL = 12;

test('what PGlite acknowledged survives SIGKILL, twice in a row', async () => {
  await putNewLedger(join(directory, 'killed'));
  const acknowledged: string[] = [];
  for (const round of [1, 2]) {
    acknowledged.push(...(await writeUntilKilled(BATCHES_BEFORE_KILL * round)));
  }
  const database = openPglite(join(directory, 'killed'));
  await migrate(database);
  const rows = await database.query(
    'SELECT request_id::text AS id FROM requests WHERE request_id = ANY ($1::uuid[])',
    [acknowledged],
  );
  expect(acknowledged.length).toBeGreaterThanOrEqual(3 * BATCHES_BEFORE_KILL * 50);
  expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(acknowledged));
  await database.close();
});

describe('openPglite', () => {
  test('makes a database anew where making one was cut short', async () => {
    const parent = join(directory, 'cut');
    const half = join(parent, 'audit.makingAbCdEf');
    mkdirSync(half, { recursive: true });
    writeFileSync(join(half, 'PG_VERSION'), '18\n');
    const database = openPglite(join(parent, 'audit'));
    expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(readdirSync(parent)).toEqual(['audit']);
    await database.close();
  });

  test('says why it cannot be opened, and opens once it can', async () => {
    const path = join(directory, 'place');
    writeFileSync(path, 'a file where the database shall be');
    const database = openPglite(path);
    await expect(database.query('SELECT 1')).rejects.toThrow();
    rmSync(path);
    expect(await database.query('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    await database.close();
  });

  test('refuses one query more than may wait', async () => {
    const database = openPglite(join(directory, 'killed'));
    const queries = Array.from({ length: WAITING_MAX + 1 }, async () => database.query('SELECT 1'));
    const outcomes = await Promise.allSettled(queries);
    const refused = outcomes.filter(({ status }) => status === 'rejected');
    expect(refused).toMatchObject([{ reason: { name: 'DatabaseUnavailable' } }]);
    await database.close();
  });

  test('keeps the log that a reopening replays short', async () => {
    const database = openPglite(join(directory, 'killed'));
    await database.query('CREATE TABLE large (value text)');
    for (let written = 0; written < 40; written++) {
      await database.transaction((connection) =>
        connection.query(
          `INSERT INTO large SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 40000)`,
        ),
      );
    }
    const [row] = await database.query(
      `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)::text AS bytes,
         pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text AS total
       FROM pg_control_checkpoint()`,
    );
    expect(Number(row?.total)).toBeGreaterThan(40 * 1024 * 1024);
    expect(Number(row?.bytes)).toBeLessThan(32 * 1024 * 1024);
    await database.close();
  });
});

async function writeUntilKilled(batches: number): Promise<readonly string[]> {
  const script = fileURLToPath(new URL('writer-main.ts', import.meta.url));
  const child = spawn(process.execPath, [script, join(directory, 'killed')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let output = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    output += chunk;
    if (output.split('\n').length > batches) child.kill('SIGKILL');
  });
  expect(await exited).toEqual([null, 'SIGKILL']);
  // A line that was cut off was not said.
  return output
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => line.split(' '));
}
