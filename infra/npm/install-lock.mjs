/**
 * One install at a time: two that write to the same folder leave one that npm takes for complete and
 * that is not. Plain JavaScript without packages, like `install.mjs`.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = '.cache/install.pid';
const POLL_MS = 200;

/**
 * Runs the work while no other process does, and waits for another one at most so many milliseconds,
 * which it says. A process that died holds nothing. Throws when the wait was too long.
 */
export function withInstallLock(root, waitMaxMs, work) {
  const file = join(root, FILE);
  mkdirSync(join(root, '.cache'), { recursive: true });
  const deadlineMs = Date.now() + waitMaxMs;
  let said;
  while (!take(file)) {
    const holder = holderOf(file);
    if (holder !== undefined && !isAlive(holder)) {
      rmSync(file, { force: true });
      continue;
    }
    if (holder !== undefined && holder !== said) {
      process.stdout.write(`Waiting for process ${holder}, which installs the packages\n`);
      said = holder;
    }
    if (Date.now() > deadlineMs) {
      throw new Error(`Another install has not ended. If there is none, remove ${file}.`);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
  const release = () => rmSync(file, { force: true });
  // The work may end the process.
  process.once('exit', release);
  try {
    return work();
  } finally {
    process.off('exit', release);
    release();
  }
}

function take(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
    return false;
  }
}

/** Undefined where the file is gone, or is being written at this moment. */
function holderOf(file) {
  try {
    const holder = Number(readFileSync(file, 'utf8'));
    return holder > 0 ? holder : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid) {
  // In a container the next process may have the number of one that died.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
