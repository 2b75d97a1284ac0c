import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { migrate } from '../src/migrate.ts';
import { openPglite } from '../src/pglite.ts';

const directory = mkdtempSync(join(tmpdir(), 'gateway-pglite-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const BATCHES_BEFORE_KILL = 12;

test('what PGlite acknowledged survives SIGKILL, twice in a row', async () => {
  const acknowledged: string[] = [];
  for (const round of [1, 2]) {
    acknowledged.push(...(await writeUntilKilled(BATCHES_BEFORE_KILL * round)));
  }
  const database = openPglite(directory);
  await migrate(database);
  const rows = await database.query(
    'SELECT request_id::text AS id FROM requests WHERE request_id = ANY ($1::uuid[])',
    [acknowledged],
  );
  expect(acknowledged.length).toBeGreaterThanOrEqual(3 * BATCHES_BEFORE_KILL * 50);
  expect(new Set(rows.map(({ id }) => id))).toEqual(new Set(acknowledged));
  await database.close();
});

test('refuses more queries than may wait', async () => {
  const database = openPglite(join(directory, 'another'));
  const queries = Array.from({ length: 65 }, () =>
    Promise.resolve().then(() => database.query('SELECT 1')),
  );
  const outcomes = await Promise.allSettled(queries);
  const refused = outcomes.filter(({ status }) => status === 'rejected');
  expect(refused).toEqual([
    expect.objectContaining({ reason: expect.objectContaining({ name: 'DatabaseUnavailable' }) }),
  ]);
  await database.close();
});

async function writeUntilKilled(batches: number): Promise<readonly string[]> {
  const script = fileURLToPath(new URL('writes-to-pglite.ts', import.meta.url));
  const child = spawn(process.execPath, [script, directory], {
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
