import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withDirectoryLock } from './directory-lock.ts';

const PID_OF_NOBODY = 2 ** 22 + 1;
let directory: string;
let lock: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gateway-lock-'));
  lock = join(directory, 'lock');
});
afterEach(() => rm(directory, { recursive: true }));

test('lets one in at a time', async () => {
  let inside = 0;
  let most = 0;
  const work = () =>
    withDirectoryLock(lock, async () => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
    });
  await Promise.all([work(), work(), work()]);
  expect(most).toBe(1);
});

test('takes over the lock of a process that died', async () => {
  await mkdir(lock);
  await writeFile(join(lock, 'pid'), String(PID_OF_NOBODY));
  expect(await withDirectoryLock(lock, async () => 'done')).toBe('done');
});
