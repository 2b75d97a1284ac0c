import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { StartError } from '@gateway/runtime';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LOCK_FILE, lockDirectory } from '../src/log/directory-lock.ts';
import { temporaryDirectory } from './in-process-fixture.ts';

async function startHolder(directory: string): Promise<{ child: ChildProcess; said: string }> {
  const program = join(import.meta.dirname, 'killed-main.ts');
  const child = spawn(process.execPath, [program, 'hold-lock', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [said] = await once(createInterface(child.stdout), 'line');
  return { child, said };
}

describe('lockDirectory', () => {
  test('lets a second process not start, and names the first', async () => {
    const directory = await temporaryDirectory();
    const { child, said } = await startHolder(directory);
    expect(said).toBe('locked');
    await expect(lockDirectory(directory, 'THE_DIRECTORY')).rejects.toEqual(
      new StartError(
        `${directory} is in use by process ${child.pid} on ${hostname()}. ` +
          'Stop that process, or set THE_DIRECTORY to another directory.',
      ),
    );
    expect((await startHolder(directory)).said).toContain(`in use by process ${child.pid} on`);
  });

  test('is free at once when its holder is killed', async () => {
    const directory = await temporaryDirectory();
    const { child } = await startHolder(directory);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await using _lock = await lockDirectory(directory, 'THE_DIRECTORY');
    expect((await startHolder(directory)).said).toContain(`in use by process ${process.pid} on`);
  });

  test('says that the directory cannot be made', async () => {
    const file = join(await temporaryDirectory(), 'file');
    await writeFile(file, '');
    await expect(lockDirectory(join(file, 'in'), 'THE_DIRECTORY')).rejects.toEqual(
      new StartError(
        `${file}/in cannot be made (ENOTDIR). Set THE_DIRECTORY to a directory that can be written.`,
      ),
    );
  });

  test('says that the directory cannot be written', async () => {
    const directory = await temporaryDirectory();
    // As it is for a user who may not write there, and for root too.
    await mkdir(join(directory, LOCK_FILE));
    await expect(lockDirectory(directory, 'THE_DIRECTORY')).rejects.toEqual(
      new StartError(
        `${directory} cannot be written (unable to open database file). ` +
          'Set THE_DIRECTORY to a directory that can.',
      ),
    );
  });

  test('is refused inside the same process, and free after its release', async () => {
    const directory = join(await temporaryDirectory(), 'made', 'here');
    const lock = await lockDirectory(directory, 'THE_DIRECTORY');
    await expect(lockDirectory(directory, 'THE_DIRECTORY')).rejects.toThrow(
      `in use by process ${process.pid} on`,
    );
    await lock[Symbol.asyncDispose]();
    await lock[Symbol.asyncDispose]();
    await using _again = await lockDirectory(directory, 'THE_DIRECTORY');
  });
});
