import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { putNewLedger } from '@gateway/testing';
import { afterAll } from 'vitest';
import { openPglite } from '../src/pglite.ts';
import { describeDatabase } from './database.contract.ts';

const directory = mkdtempSync(join(tmpdir(), 'gateway-pglite-'));
let opened = 0;
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describeDatabase('PGlite', {
  openEmpty: async () => {
    const copy = join(directory, String(++opened));
    await putNewLedger(copy);
    return openPglite(copy);
  },
  propertyRuns: 30,
});
