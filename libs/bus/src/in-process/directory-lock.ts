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

const LOCK_FILE = 'directory.lock';
const HOLDER_FILE = 'directory.holder.json';
const SQLITE_BUSY = 5;

/** Makes the directory when it is missing. Throws at once, naming the holder, while another holds it. */
export async function lockDirectory(directory: string): Promise<AsyncDisposable> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const lock = new DatabaseSync(join(directory, LOCK_FILE), { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode !== SQLITE_BUSY) throw error;
    throw new Error(`${directory} is in use by ${await holder(directory)}`, { cause: error });
  }
  const own = JSON.stringify({ pid: process.pid, host: hostname() });
  await writeFile(join(directory, HOLDER_FILE), own, { mode: 0o600 });
  let held = true;
  return {
    async [Symbol.asyncDispose]() {
      if (held) lock.close();
      held = false;
    },
  };
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
