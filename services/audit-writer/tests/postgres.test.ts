import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { Secret } from '@gateway/runtime';
import { type PostgresServer, startPostgres } from '@gateway/testing';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { DatabaseUnavailable } from '../src/database.ts';
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

/** Accepts each client, and in the same segment says that it shuts down. */
async function startShuttingDown(): Promise<Server> {
  const message = (type: string, body: Buffer) => {
    const head = Buffer.alloc(5);
    head.write(type);
    head.writeInt32BE(body.length + 4, 1);
    return Buffer.concat([head, body]);
  };
  const accepted = message('R', Buffer.alloc(4));
  const ready = message('Z', Buffer.from('I'));
  const fields = 'SFATAL\0C57P01\0Mterminating connection\0\0';
  const ending = message('E', Buffer.from(fields));
  const shuttingDown = createServer((socket) => {
    socket.once('data', () => socket.end(Buffer.concat([accepted, ready, ending])));
    socket.on('error', () => {});
  });
  shuttingDown.listen(0, '127.0.0.1');
  await once(shuttingDown, 'listening');
  return shuttingDown;
}

test('a server that ends a connection as it accepts it is unavailable, and ends no process', async () => {
  const shuttingDown = await startShuttingDown();
  onTestFinished(() => void shuttingDown.close());
  const { port } = shuttingDown.address() as AddressInfo;
  const database = openPostgres({
    host: '127.0.0.1',
    port,
    user: 'gateway',
    password: undefined,
    database: 'gateway',
  });
  onTestFinished(() => database.close());
  await expect(database.query('SELECT 1')).rejects.toThrow(DatabaseUnavailable);
});
