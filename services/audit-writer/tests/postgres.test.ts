import { Secret } from '@gateway/runtime';
import { type PostgresServer, startPostgres } from '@gateway/testing';
import { afterAll, beforeAll } from 'vitest';
import { openPostgres } from '../src/postgres.ts';
import { describeDatabase } from './database.contract.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

describeDatabase('PostgreSQL', {
  openEmpty: async () => openPostgres({ url: new Secret(await server.createDatabase()) }),
  propertyRuns: 100,
});
