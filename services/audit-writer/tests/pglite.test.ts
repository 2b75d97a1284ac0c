import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { openPglite } from '../src/pglite.ts';
import { describeDatabase } from './database.contract.ts';

const directories: string[] = [];
afterAll(() =>
  Promise.all(directories.map((directory) => rm(directory, { recursive: true, force: true }))),
);

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gateway-pglite-'));
  directories.push(directory);
  return join(directory, 'database');
}

describeDatabase('PGlite', {
  openEmpty: async () => openPglite(newDirectory()),
  propertyRuns: 30,
});
