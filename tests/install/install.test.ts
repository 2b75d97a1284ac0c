/** The real script in a directory of its own, with an `npm` on PATH that only writes down its call. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import {
  chmod,
  cp,
  mkdir,
  mkdtemp,
  readFile,
  realpath,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { repositoryRoot } from '@gateway/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NODE_PATHS } from '../../infra/npm/pinned-node.mjs';

const DEVELOPMENT = { version: '2.0.0', integrity: 'sha512-b', dev: true };
const LOCKED = {
  '': { name: 'root' },
  'libs/one': { version: '0.1.0' },
  'node_modules/@gateway/one': { resolved: 'libs/one', link: true },
  'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' },
  'node_modules/b': DEVELOPMENT,
  'node_modules/of-another-platform': { version: '1.0.0', optional: true },
};
const { 'node_modules/b': _development, ...PRODUCTION } = LOCKED;
const STALE = { ...LOCKED, 'node_modules/a': { version: '0.9.0', integrity: 'sha512-a' } };

/** Installs as little as counts as installed; `npm ci` removes what there was, as the real one does. */
const INSTALLING_NPM = `
[ "$1" = ci ] && rm -rf node_modules
for path in @gateway/one a b of-another-platform; do
  [ -e node_modules/$path/package.json ] && continue
  mkdir -p node_modules/$path && echo '{}' > node_modules/$path/package.json
done
cp package-lock.json node_modules/.package-lock.json`;

const SAID_MS_MAX = 10_000;

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gateway-install-'));
  await mkdir(join(root, 'bin'));
  await mkdir(join(root, 'infra/npm'), { recursive: true });
  await cp(join(repositoryRoot, 'infra/npm'), join(root, 'infra/npm'), { recursive: true });
  await writeFile(join(root, 'package-lock.json'), JSON.stringify({ packages: LOCKED }));
  await writeNpm(INSTALLING_NPM);
});
afterEach(() => rm(root, { recursive: true }));

async function writeNpm(end: string): Promise<void> {
  const npm = join(root, 'bin/npm');
  await writeFile(npm, `#!/bin/sh\necho "$@" >> "$(dirname "$0")/calls"\n${end}\n`);
  await chmod(npm, 0o755);
}

async function haveInstalled(packages: object): Promise<void> {
  for (const path of Object.keys(packages).filter((each) => each.startsWith('node_modules/'))) {
    await mkdir(join(root, path), { recursive: true });
    await writeFile(join(root, path, 'package.json'), '{}');
  }
  const record = join(root, 'node_modules/.package-lock.json');
  await writeFile(record, JSON.stringify({ packages }));
}

function run(...flags: string[]) {
  return spawnSync(process.execPath, [join(root, 'infra/npm/install.mjs'), ...flags], {
    encoding: 'utf8',
    env: { PATH: `${join(root, 'bin')}:/usr/bin:/bin:${dirname(process.execPath)}` },
  });
}

async function calls(): Promise<string[]> {
  const text = await readFile(join(root, 'bin/calls'), 'utf8').catch(() => '');
  return text.split('\n').filter(Boolean);
}

test.each([
  { name: 'nothing', installed: undefined, flags: [], call: 'ci --include=dev' },
  { name: 'nothing', installed: undefined, flags: ['--production'], call: 'ci --omit=dev' },
  { name: 'another version', installed: STALE, flags: [], call: 'install --no-save --include=dev' },
  {
    name: 'a production install',
    installed: PRODUCTION,
    flags: [],
    call: 'install --no-save --include=dev',
  },
  {
    name: 'a stale production install',
    installed: { ...PRODUCTION, 'node_modules/a': STALE['node_modules/a'] },
    flags: ['--production'],
    call: 'install --no-save --omit=dev',
  },
  {
    name: 'a stale install with development packages',
    installed: STALE,
    flags: ['--production'],
    call: 'install --no-save --include=dev',
  },
])('with $name and $flags calls npm $call', async ({ installed, flags, call }) => {
  if (installed !== undefined) await haveInstalled(installed);
  const { status, stdout } = run(...flags);
  expect(status).toBe(0);
  expect(stdout.trim().split('\n')).toHaveLength(1);
  expect(await calls()).toEqual([expect.stringMatching(new RegExp(`^${call} `))]);
});

test('adds the development packages to those that a gateway may be running on', async () => {
  await haveInstalled(PRODUCTION);
  const inode = async () => (await stat(join(root, 'node_modules/a/package.json'))).ino;
  const before = await inode();
  expect(run().status).toBe(0);
  expect(await inode()).toBe(before);
  expect(existsSync(join(root, 'node_modules/b/package.json'))).toBe(true);
});

test('installs anew where adding did not lead to what is locked', async () => {
  await haveInstalled(PRODUCTION);
  await writeNpm(`[ "$1" = ci ] || exit 0\n${INSTALLING_NPM}`);
  expect(run().status).toBe(0);
  expect(await calls()).toEqual([
    expect.stringMatching(/^install --no-save /),
    expect.stringMatching(/^ci /),
  ]);
});

test.each([
  { name: 'all', installed: LOCKED, flags: [] },
  { name: 'all', installed: LOCKED, flags: ['--production'] },
  { name: 'a production install', installed: PRODUCTION, flags: ['--production'] },
])('with $name and $flags installs nothing and says nothing', async ({ installed, flags }) => {
  await haveInstalled(installed);
  const { status, stdout, stderr } = run(...flags);
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  expect(await calls()).toEqual([]);
});

test('installs again where a package of the record is not there', async () => {
  await haveInstalled(PRODUCTION);
  await rm(join(root, 'node_modules/a/package.json'));
  expect(run('--production').status).toBe(0);
  expect(await calls()).toEqual([expect.stringMatching(/^ci --omit=dev /)]);
});

describe('while another install runs', () => {
  const lock = () => join(root, '.cache/install.pid');

  test('waits, says for whom, and does not repeat what the other one has done', async () => {
    const other = spawn('sleep', ['60']);
    await mkdir(join(root, '.cache'));
    await writeFile(lock(), String(other.pid));
    const child = spawn(process.execPath, [join(root, 'infra/npm/install.mjs')], {
      env: { PATH: `${join(root, 'bin')}:/usr/bin:/bin` },
    });
    const ended = once(child, 'exit');
    const lines = createInterface({ input: child.stdout });
    const [line] = await once(lines, 'line', { signal: AbortSignal.timeout(SAID_MS_MAX) });
    expect(line).toBe(`Waiting for process ${other.pid}, which installs the packages`);
    await haveInstalled(LOCKED);
    other.kill();
    expect(await ended).toEqual([0, null]);
    expect(await calls()).toEqual([]);
  });

  test('gets one of two that begin at once to install', async () => {
    await writeNpm(INSTALLING_NPM);
    const both = [1, 2].map(() =>
      spawn(process.execPath, [join(root, 'infra/npm/install.mjs')], {
        env: { PATH: `${join(root, 'bin')}:/usr/bin:/bin` },
      }),
    );
    const ends = await Promise.all(both.map((child) => once(child, 'exit')));
    expect(ends).toEqual([
      [0, null],
      [0, null],
    ]);
    expect(await calls()).toHaveLength(1);
    expect(existsSync(lock())).toBe(false);
  });
});

describe('the Node of the packages', () => {
  const own = join('node_modules', NODE_PATHS[`${process.platform}-${process.arch}`] ?? '');
  const link = () => join(root, 'node_modules/.bin/node');

  test('is looked for in the packages that package.json names', async () => {
    const text = await readFile(join(repositoryRoot, 'package.json'), 'utf8');
    const named = Object.keys(JSON.parse(text).optionalDependencies);
    const packages = Object.values(NODE_PATHS).map((path) => path.split('/')[0]);
    expect(packages.sort()).toEqual(named.sort());
  });

  test('is found where its link leads nowhere, and linked again', async () => {
    await haveInstalled(LOCKED);
    await mkdir(join(root, dirname(own)), { recursive: true });
    await cp(process.execPath, join(root, own));
    await mkdir(dirname(link()), { recursive: true });
    await symlink('nowhere', link());
    const script = join(root, 'own.mjs');
    const imported = "import { ensureInstalled } from './infra/npm/install.mjs';";
    await writeFile(script, `${imported}\nprocess.stdout.write(ensureInstalled(true));\n`);
    const { stdout } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
    expect(stdout).toBe(await realpath(join(root, own)));
    expect(await realpath(link())).toBe(stdout);
  });

  test('is linked when npm adds packages to it, since npm 10 would replace it without', async () => {
    await haveInstalled(PRODUCTION);
    await mkdir(join(root, dirname(own)), { recursive: true });
    await cp(process.execPath, join(root, own));
    await writeNpm(`[ -x node_modules/.bin/node ] || exit 3\n${INSTALLING_NPM}`);
    expect(run().status).toBe(0);
  });
});

test('passes on what npm says when it fails, and its status', async () => {
  await writeNpm('echo "npm error no network" >&2; exit 3');
  const { status, stderr } = run();
  expect(status).toBe(3);
  expect(stderr).toContain('npm error no network');
  expect(existsSync(join(root, '.cache/install.pid'))).toBe(false);
});

test('installs a package with a lockfile of its own where that is, and only once', async () => {
  const directory = join(root, 'tests/own');
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'package-lock.json'), JSON.stringify({ packages: LOCKED }));
  await writeNpm(INSTALLING_NPM);
  const script = join(root, 'own.mjs');
  const imported = "import { ensureOwnPackages } from './infra/npm/install.mjs';";
  await writeFile(script, `${imported}\nensureOwnPackages('tests/own');\n`);
  for (let time = 0; time < 2; time += 1) {
    const { status } = spawnSync(process.execPath, [script], {
      encoding: 'utf8',
      env: { PATH: `${join(root, 'bin')}:/usr/bin:/bin` },
    });
    expect(status).toBe(0);
  }
  expect(await calls()).toEqual([expect.stringMatching(/^ci --include=dev /)]);
  expect(existsSync(join(directory, 'node_modules'))).toBe(true);
});

test('names the lockfile when it is missing', async () => {
  await rm(join(root, 'package-lock.json'));
  const { status, stderr } = run();
  expect(status).toBe(78);
  expect(stderr).toContain('package-lock.json');
});
