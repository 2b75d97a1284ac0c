import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Connection, Database, Row, Statement } from './database.ts';
import { DatabaseUnavailable, WAITING_MAX } from './database.ts';
import type { PgliteAnswer, PgliteQuestion, PgliteWorkerData } from './pglite-worker.ts';

/**
 * PGlite has no checkpointer of its own, and reopening after a kill replays what was written since
 * the last checkpoint: 16 MB take about a tenth of a second.
 */
const LOG_BYTES_MAX = 16 * 1024 * 1024;
const TRANSACTIONS_PER_LOOK = 16;
/** Optimizing WebAssembly that runs once costs more than it saves: 8.5 s of CPU with it, 5.5 without. */
const MAKER_ARGUMENTS = [
  '--liftoff-only',
  fileURLToPath(new URL('./make-pglite.ts', import.meta.url)),
];
const runFile = promisify(execFile);

/** An error that the database answered with. */
class PgliteError extends Error {
  override readonly name = 'PgliteError';
  readonly code: string;
  readonly severity: string;

  constructor(message: string, code: string, severity: string) {
    super(message);
    this.code = code;
    this.severity = severity;
  }
}

/**
 * The database in a directory that no other process may hold. It is opened, or made, in a thread of
 * its own at the first query, and again after that thread died.
 */
export function openPglite(directory: string): Database {
  return new Pglite(directory);
}

class Pglite implements Database {
  readonly #directory: string;
  #thread: PgliteThread | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isClosed = false;
  #transactions = 0;
  #checkpoint = '0/0';

  constructor(directory: string) {
    this.#directory = directory;
  }

  query(sql: string, parameters: readonly unknown[] = []): Promise<readonly Row[]> {
    return this.#exclusively((connection) => connection.query(sql, parameters));
  }

  script(sql: string): Promise<void> {
    return this.#exclusively((connection) => connection.script(sql));
  }

  transaction<Result>(work: (connection: Connection) => Promise<Result>): Promise<Result> {
    return this.#exclusively(async (connection) => {
      await connection.query('BEGIN');
      let result: Result;
      try {
        result = await work(connection);
        await connection.query('COMMIT');
      } catch (error) {
        await connection.query('ROLLBACK').catch(() => {});
        throw error;
      }
      // The transaction stands whether or not this succeeds.
      await this.#keepLogShort(connection).catch(() => {});
      return result;
    });
  }

  write(statements: readonly Statement[]): Promise<void> {
    return this.#exclusively(async (thread) => {
      await thread.write(statements);
      await this.#keepLogShort(thread).catch(() => {});
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#last.catch(() => {});
    await this.#thread?.close();
  }

  /** There is one connection, so a transaction keeps all others waiting. */
  #exclusively<Result>(work: (thread: PgliteThread) => Promise<Result>): Promise<Result> {
    if (this.#isClosed) throw new DatabaseUnavailable('the database is closed');
    if (this.#waiting >= WAITING_MAX) throw new DatabaseUnavailable('too many queries wait');
    this.#waiting++;
    const result = this.#last
      .catch(() => {})
      .then(async () => work(await this.#living()))
      .finally(() => this.#waiting--);
    this.#last = result;
    return result;
  }

  async #living(): Promise<PgliteThread> {
    if (this.#thread === undefined || this.#thread.isDead) {
      if (!existsSync(join(this.#directory, 'PG_VERSION'))) await makeDatabase(this.#directory);
      this.#thread = new PgliteThread(this.#directory);
    }
    return this.#thread;
  }

  async #keepLogShort(connection: Connection): Promise<void> {
    if (++this.#transactions % TRANSACTIONS_PER_LOOK !== 0) return;
    const [row] = await connection.query(
      `SELECT at::text, at - $1::pg_lsn > ${LOG_BYTES_MAX} AS long
       FROM pg_current_wal_insert_lsn() AS at`,
      [this.#checkpoint],
    );
    if (row?.long !== true) return;
    await connection.query('CHECKPOINT');
    this.#checkpoint = String(row.at);
  }
}

/**
 * Makes it beside its place, so that a kill leaves no half of one, and in a process that ends: the memory
 * for making one, 70 MB of which a thread leaves behind, would be kept as long as the gateway runs.
 */
async function makeDatabase(directory: string): Promise<void> {
  // Fails at once where the place is taken by something else.
  await mkdir(directory, { recursive: true });
  await removeHalfMade(directory);
  // A name of its own: who outlives a gateway that was killed works on where nobody looks.
  const making = await mkdtemp(makingPrefix(directory));
  try {
    await runFile(process.execPath, [...MAKER_ARGUMENTS, making]);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    throw error;
  }
  await rmdir(directory);
  await rename(making, directory);
}

async function removeHalfMade(directory: string): Promise<void> {
  const parent = dirname(directory);
  const prefix = basename(makingPrefix(directory));
  for (const name of await readdir(parent)) {
    if (!name.startsWith(prefix)) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
}

function makingPrefix(directory: string): string {
  return `${directory}.making`;
}

interface Waiting {
  resolve(rows: readonly Row[]): void;
  reject(error: Error): void;
}

class PgliteThread implements Connection {
  isDead = false;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  constructor(directory: string) {
    const workerData: PgliteWorkerData = { directory };
    this.#worker = new Worker(new URL('./pglite-worker.ts', import.meta.url), { workerData });
    this.#worker.on('message', (answer: PgliteAnswer) => this.#receive(answer));
    this.#worker.on('error', () => {});
    this.#worker.on('exit', () => this.#die('the thread of the database ended'));
  }

  query(sql: string, parameters: readonly unknown[] = []): Promise<readonly Row[]> {
    return this.#ask((id) => ({ id, kind: 'query', sql, parameters }));
  }

  async script(sql: string): Promise<void> {
    await this.#ask((id) => ({ id, kind: 'script', sql }));
  }

  async write(statements: readonly Statement[]): Promise<void> {
    const memory = statements.flatMap((one) => ('bytes' in one ? [one.bytes.buffer] : []));
    await this.#ask((id) => ({ id, kind: 'write', statements }), memory);
  }

  async close(): Promise<void> {
    if (!this.isDead) await this.#ask((id) => ({ id, kind: 'close' })).catch(() => {});
    await this.#worker.terminate();
  }

  #ask(
    questionOf: (id: number) => PgliteQuestion,
    memory: readonly ArrayBuffer[] = [],
  ): Promise<readonly Row[]> {
    if (this.isDead) throw new DatabaseUnavailable('the thread of the database ended');
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage(questionOf(id), [...memory]);
    });
  }

  #receive(answer: PgliteAnswer): void {
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.id);
    if ('rows' in answer) {
      waiting.resolve(answer.rows);
      return;
    }
    const { message, code, severity } = answer.error;
    if (code !== undefined && severity !== undefined) {
      waiting.reject(new PgliteError(message, code, severity));
      return;
    }
    // Not the database's answer but its failure: the next query shall find a fresh one.
    waiting.reject(new DatabaseUnavailable(message));
    this.#die('the database failed');
    void this.#worker.terminate();
  }

  #die(reason: string): void {
    this.isDead = true;
    for (const waiting of this.#waiting.values()) waiting.reject(new DatabaseUnavailable(reason));
    this.#waiting.clear();
  }
}
