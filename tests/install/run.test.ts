/** The real runner in a directory of its own, where everything is installed already. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { repositoryRoot, waitFor } from '@gateway/testing';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { MEMORY_ENVIRONMENT, MEMORY_FLAGS } from '../../infra/npm/memory-settings.mjs';
import { NODE_PATHS } from '../../infra/npm/pinned-node.mjs';

/** Says what it was started as, and lives until a signal that it can take. */
const PROGRAM = `
const print = (text) => process.stdout.write(text + '\\n');
process.once('SIGTERM', () => {
  clearInterval(life);
  print(JSON.stringify({ ended: true }));
  process.exitCode = 3;
});
const life = setInterval(() => {}, 1000);
print(JSON.stringify({
  pid: process.pid,
  arguments: process.argv.slice(2),
  path: process.argv[1],
  node: process.execPath,
  flags: process.execArgv,
  MALLOC_ARENA_MAX: process.env.MALLOC_ARENA_MAX,
  MALLOC_TRIM_THRESHOLD_: process.env.MALLOC_TRIM_THRESHOLD_,
}));
`;

const PINNED = join('node_modules', NODE_PATHS[`${process.platform}-${process.arch}`] ?? '');

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gateway-run-'));
  await mkdir(join(root, PINNED, '..'), { recursive: true });
  await cp(join(repositoryRoot, 'infra/npm'), join(root, 'infra/npm'), { recursive: true });
  await writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: {} }));
  await writeFile(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages: {} }));
  await writeFile(join(root, 'program.mjs'), PROGRAM);
});
afterEach(() => rm(root, { recursive: true }));

const RUN = ['infra/npm/run.mjs', '--gateway', 'program.mjs', 'one', '--two'] as const;

function start(command: string, commandArguments: readonly string[], variables = {}) {
  const child = spawn(command, commandArguments, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, ...variables },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  const line = (number: number) =>
    waitFor(() => lines[number], { what: 'a line', timeoutMs: 9000 });
  return { child, line };
}

test('gives its place to the file, with its arguments and its exit code', async () => {
  await symlink(process.execPath, join(root, PINNED));
  const { child, line } = start(process.execPath, RUN);
  expect(await line(0)).toEqual({
    pid: child.pid,
    arguments: ['one', '--two'],
    path: join(root, 'program.mjs'),
    node: process.execPath,
    flags: MEMORY_FLAGS,
    ...MEMORY_ENVIRONMENT,
  });
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([3, null]);
});

test('keeps the flags and settings that it was given, and adds none to what is no gateway', async () => {
  await symlink(process.execPath, join(root, PINNED));
  const [script, _gateway, ...rest] = RUN;
  const own = start(process.execPath, ['--no-warnings', script, '--production', ...rest]);
  expect(await own.line(0)).toMatchObject({ flags: ['--no-warnings'] });
  expect(await own.line(0)).not.toHaveProperty('MALLOC_ARENA_MAX');
  own.child.kill('SIGTERM');
  const set = start(process.execPath, RUN, { MALLOC_ARENA_MAX: '4' });
  expect(await set.line(0)).toMatchObject({ MALLOC_ARENA_MAX: '4' });
  set.child.kill('SIGTERM');
});

test('gives its place to the installed Node where that is another', async () => {
  const installed = join(root, PINNED);
  await cp(process.execPath, installed);
  const { child, line } = start(process.execPath, RUN);
  const started = await line(0);
  expect(started).toMatchObject({ node: await realpath(installed), arguments: ['one', '--two'] });
  expect(started.pid).toBe(child.pid);
  child.kill('SIGTERM');
  expect(await once(child, 'exit')).toEqual([3, null]);
});

describe('on a Node that cannot give its place away', () => {
  const OLDER = ['--import', 'data:text/javascript,delete process.execve', ...RUN];

  test('runs the file in its own process', async () => {
    await symlink(process.execPath, join(root, PINNED));
    const { child, line } = start(process.execPath, OLDER);
    expect(await line(0)).toMatchObject({
      pid: child.pid,
      arguments: ['one', '--two'],
      path: join(root, 'program.mjs'),
    });
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([3, null]);
  });

  test('runs it below on the installed Node, and passes signals on', async () => {
    const installed = join(root, PINNED);
    await cp(process.execPath, installed);
    const { child, line } = start(process.execPath, OLDER);
    const started = await line(0);
    expect(started).toMatchObject({ node: await realpath(installed), arguments: ['one', '--two'] });
    expect(started).toMatchObject({ flags: MEMORY_FLAGS, ...MEMORY_ENVIRONMENT });
    expect(started.pid).not.toBe(child.pid);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([3, null]);
  });
});

test('ends when the shell that npm started is ended', async () => {
  await symlink(process.execPath, join(root, PINNED));
  const command = `"${process.execPath}" ${RUN.join(' ')}; exit 0`;
  const { child, line } = start('sh', ['-c', command], { npm_lifecycle_event: 'start' });
  await line(0);
  child.kill('SIGKILL');
  expect(await line(1)).toEqual({ ended: true });
});

test('what is not for development runs on the same packages', () => {
  const { scripts } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'));
  expect(scripts.start).toMatch(/^node infra\/npm\/run.mjs --gateway /);
  expect(scripts.stack).toMatch(/^node infra\/npm\/run.mjs --production /);
  expect(scripts.simulator).toMatch(/^node infra\/npm\/run.mjs --production /);
});

test('no command relies on scripts that npm leaves out where ignore-scripts is set', () => {
  const { scripts } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'));
  expect(Object.keys(scripts).filter((name) => /^(pre|post)/.test(name))).toEqual([]);
});
