import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { waitFor } from '../wait-for.ts';

const WAIT_MS = 300_000;
const POLL_MS = 100;
/** A lock without a living owner for this long was left by a process that died making it. */
const OWNERLESS_MS = 5_000;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function isStale(lock: string): Promise<boolean> {
  const owner = await readFile(join(lock, 'pid'), 'utf8').catch(() => '');
  if (owner !== '') return !isAlive(Number(owner));
  const { mtimeMs } = await stat(lock);
  return Date.now() - mtimeMs > OWNERLESS_MS;
}

async function acquire(lock: string): Promise<boolean> {
  try {
    await mkdir(lock);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    if (await isStale(lock).catch(() => false)) await rm(lock, { recursive: true, force: true });
    return false;
  }
  await writeFile(join(lock, 'pid'), String(process.pid));
  return true;
}

/**
 * Runs `work` while this process alone holds the lock, a directory that `mkdir` makes atomically.
 * Waits five minutes at most; a lock whose owner has died is taken over.
 */
export async function withDirectoryLock<T>(lock: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dirname(lock), { recursive: true });
  await waitFor(() => acquire(lock), {
    what: `the lock ${lock}`,
    timeoutMs: WAIT_MS,
    intervalMs: POLL_MS,
  });
  try {
    return await work();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}
