import type { Secret } from '@gateway/runtime';
import pg from 'pg';
import type { Connection, Database, Row, Statement } from './database.ts';
import { DatabaseUnavailable, STATEMENT_TIMEOUT_MS, sqlState } from './database.ts';

/** Where PostgreSQL is: a URL, or its parts. */
export type PostgresAddress =
  | { readonly url: Secret }
  | {
      readonly host: string;
      readonly port: number;
      readonly user: string;
      readonly password: Secret | undefined;
      readonly database: string;
    };

const CONNECTIONS_MAX = 4;
const CONNECT_TIMEOUT_MS = 3_000;
/** For a server that does not even say that it gave up. */
const ANSWER_TIMEOUT_MS = 2 * STATEMENT_TIMEOUT_MS;
const SCRIPT_TIMEOUT_MS = 10 * 60 * 1000;

/** Opens a pool; nothing connects before the first query. */
export function openPostgres(address: PostgresAddress): Database {
  const pool = new pg.Pool({
    ...connectionSettings(address),
    max: CONNECTIONS_MAX,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    idle_in_transaction_session_timeout: ANSWER_TIMEOUT_MS,
    query_timeout: ANSWER_TIMEOUT_MS,
    keepAlive: true,
    application_name: 'gateway-audit-writer',
  });
  // An idle connection that breaks is replaced at the next query, which says so if it cannot be.
  pool.on('error', () => {});
  // A server that goes may say so in the same breath as that it is ready, when nobody listens yet.
  pool.on('connect', (client) => client.on('error', () => {}));

  return {
    query: (sql, parameters) => withClient(pool, (client) => ask(client, sql, parameters)),
    script: (sql) => withClient(pool, (client) => runScript(client, sql)),
    transaction: (work) =>
      withClient(pool, (client) => inTransaction(client, () => work(connectionOf(client)))),
    write: (statements) =>
      withClient(pool, (client) =>
        inTransaction(client, async () => {
          for (const statement of statements) await run(client, statement);
        }),
      ),
    close: () => pool.end(),
  };
}

function connectionSettings(address: PostgresAddress): pg.PoolConfig {
  if ('url' in address) return { connectionString: address.url.reveal() };
  const { host, port, user, password, database } = address;
  return { host, port, user, database, ...(password && { password: password.reveal() }) };
}

function connectionOf(client: pg.PoolClient): Connection {
  return {
    query: (sql, parameters) => ask(client, sql, parameters),
    script: (sql) => runScript(client, sql),
  };
}

async function withClient<Result>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const client = await pool.connect().catch(unavailable);
  let isBroken = false;
  const onError = () => {
    isBroken = true;
  };
  client.on('error', onError);
  try {
    return await work(client);
  } catch (error) {
    // After an error of its own the server is in step with us; after any other it may not be.
    if (sqlState(error) === undefined) isBroken = true;
    throw error;
  } finally {
    client.off('error', onError);
    client.release(isBroken);
  }
}

async function inTransaction<Result>(
  client: pg.PoolClient,
  work: () => Promise<Result>,
): Promise<Result> {
  await ask(client, 'BEGIN');
  try {
    const result = await work();
    await ask(client, 'COMMIT');
    return result;
  } catch (error) {
    // A connection that is lost has rolled back already.
    await ask(client, 'ROLLBACK').catch(() => {});
    throw error;
  }
}

async function run(client: pg.PoolClient, statement: Statement): Promise<void> {
  if ('sql' in statement) await ask(client, statement.sql, statement.parameters);
  else await copy(client, statement.copyInto, statement.bytes).catch(unavailable);
}

/** What `pg` calls when the server is ready for the rows of a COPY. Its types leave this out. */
interface CopyTarget {
  sendCopyFromChunk(bytes: Uint8Array): void;
  endCopyFrom(): void;
}

class CopyQuery extends pg.Query {
  readonly #bytes: Uint8Array;

  constructor(text: string, bytes: Uint8Array, callback: (error: Error | undefined) => void) {
    super(text, callback);
    this.#bytes = bytes;
  }

  handleCopyInResponse(connection: CopyTarget): void {
    connection.sendCopyFromChunk(this.#bytes);
    connection.endCopyFrom();
  }
}

function copy(client: pg.PoolClient, into: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | undefined | null) => (error ? reject(error) : resolve());
    client.query(new CopyQuery(`COPY ${into} FROM STDIN (FORMAT binary)`, bytes, settle));
  });
}

async function ask(
  client: pg.PoolClient,
  sql: string,
  parameters?: readonly unknown[],
): Promise<readonly Row[]> {
  const result = await client
    .query<Row>({ text: sql, ...(parameters && { values: [...parameters] }) })
    .catch(unavailable);
  return result.rows;
}

async function runScript(client: pg.PoolClient, sql: string): Promise<void> {
  const patient = { text: sql, query_timeout: SCRIPT_TIMEOUT_MS };
  await client.query(patient).catch(unavailable);
}

function unavailable(thrown: unknown): never {
  if (sqlState(thrown) !== undefined) throw thrown;
  throw new DatabaseUnavailable(describe(thrown), { cause: thrown });
}

/** Node's own messages name hosts and ports, never a password; of several attempts at once, none. */
function describe(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.message !== '') return thrown.message;
  return 'code' in thrown ? String(thrown.code) : thrown.name;
}
