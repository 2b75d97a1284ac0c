/**
 * One install at a time: two that write to the same folder leave one that npm takes for complete and
 * that is not. Plain JavaScript without packages, like `install.mjs`.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = '.cache/install.pid';
const POLL_MS = 200;

/**
 * Runs the work while no other process does, and waits for another one at most so many milliseconds.
 * A process that died holds nothing. Throws when the wait was too long.
 */
export function withInstallLock(root, waitMaxMs, work) {
  const file = join(root, FILE);
  mkdirSync(join(root, '.cache'), { recursive: true });
  const deadlineMs = Date.now() + waitMaxMs;
  while (!take(file)) {
    if (Date.now() > deadlineMs) {
      throw new Error(`Another install has not ended. If there is none, remove ${file}.`);
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
  }
  try {
    return work();
  } finally {
    rmSync(file, { force: true });
  }
}

function take(file) {
  try {
    writeFileSync(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  if (!isHeld(file)) rmSync(file, { force: true });
  return false;
}

function isHeld(file) {
  try {
    // A file without a number is being written at this moment.
    const holder = Number(readFileSync(file, 'utf8'));
    if (holder > 0) process.kill(holder, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}
