/**
 * PGlite in a thread of its own: a batch blocks the event loop it runs on for up to 100 ms. One
 * question is worked on at a time, in the order asked; the asker keeps transactions apart.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { shrinkHeap } from '@gateway/runtime/shrink-heap';
import { beginWithCopies } from './copy-messages.ts';
import type { Statement } from './database.ts';

export interface PgliteWorkerData {
  readonly directory: string;
}

export type PgliteQuestion = {
  readonly id: number;
} & (
  | { readonly kind: 'query'; readonly sql: string; readonly parameters: readonly unknown[] }
  | { readonly kind: 'script'; readonly sql: string }
  | { readonly kind: 'write'; readonly statements: readonly Statement[] }
  | { readonly kind: 'close' }
);

export type PgliteAnswer =
  | { readonly id: number; readonly rows: readonly Readonly<Record<string, unknown>>[] }
  | {
      readonly id: number;
      readonly error: {
        readonly message: string;
        readonly code?: string;
        readonly severity?: string;
      };
    };

/** The default of 128 MB is memory that an audit never uses. */
const SHARED_BUFFERS = '8MB';
/** The log of a batch, which is then written at once; by default a page at a time. */
const LOG_BUFFERS = '1MB';

if (parentPort !== null) serve(parentPort, workerData as PgliteWorkerData);

/** Makes a database where there is none. */
export function openDirectory(directory: string): Promise<PGlite> {
  return PGlite.create({
    dataDir: directory,
    startParams: [
      ...PGlite.defaultStartParams,
      ...['-c', `shared_buffers=${SHARED_BUFFERS}`],
      ...['-c', `wal_buffers=${LOG_BUFFERS}`],
    ],
  });
}

/** This thread collects too little later to notice what the opening has left. */
async function openShrunk(directory: string): Promise<PGlite> {
  const database = await openDirectory(directory);
  await shrinkHeap();
  return database;
}

function serve(port: NonNullable<typeof parentPort>, data: PgliteWorkerData): void {
  const opening = openShrunk(data.directory);
  let last: Promise<void> = Promise.resolve();
  port.on('message', (question: PgliteQuestion) => {
    last = last.then(async () => port.postMessage(await answer(opening, question)));
    if (question.kind === 'close') last.then(() => port.close());
  });
}

async function answer(opening: Promise<PGlite>, question: PgliteQuestion): Promise<PgliteAnswer> {
  const { id } = question;
  try {
    const database = await opening;
    switch (question.kind) {
      case 'query': {
        const { rows } = await database.query<Record<string, unknown>>(question.sql, [
          ...question.parameters,
        ]);
        return { id, rows };
      }
      case 'script':
        await database.exec(question.sql);
        return { id, rows: [] };
      case 'write':
        await write(database, question.statements);
        return { id, rows: [] };
      case 'close':
        await database.close();
        return { id, rows: [] };
    }
  } catch (error) {
    return { id, error: describe(error) };
  }
}

async function write(database: PGlite, statements: readonly Statement[]): Promise<void> {
  const copies = statements.filter((statement) => 'bytes' in statement);
  try {
    await database.execProtocol(beginWithCopies(copies), {});
    for (const statement of statements) {
      if ('sql' in statement) await database.query(statement.sql, [...statement.parameters]);
    }
    await database.exec('COMMIT');
  } catch (error) {
    await database.exec('ROLLBACK').catch(() => {});
    throw error;
  }
}

function describe(error: unknown): { message: string; code?: string; severity?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code, severity } = error as { code?: unknown; severity?: unknown };
  return {
    message: error.message,
    ...(typeof code === 'string' && { code }),
    ...(typeof severity === 'string' && { severity }),
  };
}
