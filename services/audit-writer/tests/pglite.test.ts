import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { openPglite } from '../src/pglite.ts';
import { describeDatabase } from './database.contract.ts';

const directory = mkdtempSync(join(tmpdir(), 'gateway-pglite-'));
const template = join(directory, 'template');
let opened = 0;

// Making a database takes seconds, copying one does not.
beforeAll(async () => {
  const database = openPglite(template);
  await database.query('SELECT 1');
  await database.close();
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describeDatabase('PGlite', {
  openEmpty: async () => {
    const copy = join(directory, String(++opened));
    cpSync(template, copy, { recursive: true });
    return openPglite(copy);
  },
  propertyRuns: 30,
});
