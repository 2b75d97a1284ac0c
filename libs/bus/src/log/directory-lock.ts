/**
 * One process at a time may hold a data directory.
 *
 * The lock is the operating system's own file lock, taken by an open transaction on an empty SQLite
 * file: Node offers no other call for one. The system drops it when the process ends, however it ends,
 * so that nothing is ever stale and no process id needs to be judged. The id in the file beside it only
 * serves the message.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StartError } from '@gateway/runtime';

export const LOCK_FILE = 'directory.lock';
export const HOLDER_FILE = 'directory.holder.json';
const SQLITE_BUSY = 5;

/**
 * Makes the directory, which the setting names, when it is missing. Throws a `StartError` when it cannot
 * be made or written, and at once, naming the holder, while another holds it.
 */
export async function lockDirectory(directory: string, setting: string): Promise<AsyncDisposable> {
  await makeDirectory(directory, setting);
  const lock = await tryLockDirectory(directory).catch((error: unknown) => {
    throw new StartError(
      `${directory} cannot be written (${(error as Error).message}). ` +
        `Set ${setting} to a directory that can.`,
      { cause: error },
    );
  });
  if (lock !== undefined) return lock;
  throw new StartError(
    `${directory} is in use by ${await holder(directory)}. ` +
      `Stop that process, or set ${setting} to another directory.`,
  );
}

async function makeDirectory(directory: string, setting: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : 'unknown reason';
    throw new StartError(
      `${directory} cannot be made (${code}). Set ${setting} to a directory that can be written.`,
      { cause: error },
    );
  }
}

/** Undefined while another holds the directory, which must be there. */
export async function tryLockDirectory(directory: string): Promise<AsyncDisposable | undefined> {
  const lock = takeLock(join(directory, LOCK_FILE));
  if (lock === undefined) return undefined;
  const own = JSON.stringify({ pid: process.pid, host: hostname() });
  try {
    await writeFile(join(directory, HOLDER_FILE), own, { mode: 0o600 });
  } catch (error) {
    lock.close();
    throw error;
  }
  let held = true;
  return {
    async [Symbol.asyncDispose]() {
      if (held) lock.close();
      held = false;
    },
  };
}

function takeLock(path: string): DatabaseSync | undefined {
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(path, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
}

async function holder(directory: string): Promise<string> {
  try {
    const { pid, host } = JSON.parse(await readFile(join(directory, HOLDER_FILE), 'utf8'));
    return `process ${pid} on ${host}`;
  } catch {
    // It has the lock and has not yet written its name.
    return 'another process';
  }
}
