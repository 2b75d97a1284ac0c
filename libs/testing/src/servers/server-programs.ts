/**
 * Where a server program comes from: PATH, the system's own directories, or Debian packages
 * unpacked once into `.cache/servers` of the repository.
 */
import { existsSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { inheritedEnvironment } from '../config.ts';
import { findOnPath, isExecutable } from '../die-with-parent.ts';
import { repositoryRoot } from '../repository-root.ts';
import { fetchDebianPackages, machineDebianSource } from './debian-packages.ts';
import { withDirectoryLock } from './directory-lock.ts';
import { MissingServerError } from './missing-server-error.ts';
import { runCommand } from './run-command.ts';

const CACHE_DIRECTORY = join(repositoryRoot, '.cache/servers');
const VERSION_TIMEOUT_MS = 10_000;

export type ServerKind = 'nats-server' | 'redis-server' | 'postgres';

export interface ServerProgram {
  readonly command: string;
  readonly version: string;
  /** What the program and its siblings need set, besides the inherited environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly fetched: boolean;
}

interface Recipe {
  readonly wanted: string;
  readonly commands: readonly string[];
  readonly versionMin: readonly [number, number];
  readonly advice: string;
  /** Debian suites to try in order; `machine` is the suite of this machine. */
  readonly suites: readonly string[];
  packages(suite: string): readonly string[];
  readonly withLibraries: boolean;
}

const POSTGRES_OF_SUITE: Readonly<Record<string, string>> = {
  bookworm: 'postgresql-15',
  trixie: 'postgresql-17',
};

const recipes: Readonly<Record<ServerKind, Recipe>> = {
  'nats-server': {
    wanted: 'nats-server 2.12 or newer',
    commands: ['nats-server'],
    versionMin: [2, 12],
    advice: 'Put nats-server 2.12 or newer on PATH.',
    // It needs libc alone, so that the package of a later suite runs on an older system.
    suites: ['sid', 'forky', 'trixie-backports', 'trixie'],
    packages: () => ['nats-server'],
    withLibraries: false,
  },
  'redis-server': {
    wanted: 'redis-server or valkey-server 6.2 or newer',
    commands: ['redis-server', 'valkey-server'],
    versionMin: [6, 2],
    advice: 'Put redis-server or valkey-server on PATH.',
    suites: ['machine'],
    packages: () => ['redis-server', 'redis-tools'],
    withLibraries: true,
  },
  postgres: {
    wanted: 'PostgreSQL 14 or newer',
    commands: ['postgres'],
    versionMin: [14, 0],
    advice: "Put PostgreSQL's postgres and initdb on PATH.",
    suites: ['machine'],
    packages: (suite) => [POSTGRES_OF_SUITE[suite] ?? 'postgresql-17'],
    withLibraries: true,
  },
};

/** The version in the first line of `--version`: "v=7.0.15", "v2.15.1", "15.14 (Debian …)". */
export function parseVersion(output: string): string | undefined {
  return /(?:^|[\sv=])(\d+(?:\.\d+)+)/.exec(output)?.[1];
}

/** Whether a dotted version is at least major.minor. */
export function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [versionMajor = 0, versionMinor = 0] = version.split('.').map(Number);
  return versionMajor > major || (versionMajor === major && versionMinor >= minor);
}

type Attempt = ServerProgram | string;

async function tryCommand(
  recipe: Recipe,
  command: string,
  environment: Record<string, string>,
  fetched: boolean,
): Promise<Attempt> {
  try {
    const output = await runCommand(command, ['--version'], {
      timeoutMs: VERSION_TIMEOUT_MS,
      env: { ...inheritedEnvironment(), ...environment },
    });
    const version = parseVersion(output);
    if (version === undefined) return `${command} says no version`;
    if (!isAtLeast(version, recipe.versionMin)) return `${command} is ${version}, too old`;
    if (recipe.commands.includes('postgres') && !isExecutable(join(dirname(command), 'initdb'))) {
      return `${command} has no initdb beside it`;
    }
    return { command, version, environment, fetched };
  } catch (error) {
    return (error as Error).message;
  }
}

/** Programs in `/usr/lib/postgresql/<version>/bin` under a root, the newest first. */
async function postgresDirectories(root: string): Promise<string[]> {
  const base = join(root, 'usr/lib/postgresql');
  const versions = (await readdir(base).catch(() => [])).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(base, version, 'bin'));
}

async function commandsUnder(recipe: Recipe, root: string): Promise<string[]> {
  const directories = [
    ...(await postgresDirectories(root)),
    join(root, 'usr/bin'),
    join(root, 'usr/sbin'),
  ];
  return directories
    .flatMap((directory) => recipe.commands.map((command) => join(directory, command)))
    .filter(isExecutable);
}

async function libraryPath(root: string): Promise<Record<string, string>> {
  const directories: string[] = [];
  for (const base of [join(root, 'usr/lib'), join(root, 'lib')]) {
    const entries = await readdir(base).catch(() => []);
    const multiarch = entries.filter((entry) => entry.includes('-linux-'));
    directories.push(...multiarch.map((entry) => join(base, entry)));
  }
  return directories.length === 0 ? {} : { LD_LIBRARY_PATH: directories.join(':') };
}

async function firstWorking(
  recipe: Recipe,
  commands: readonly string[],
  environment: Record<string, string>,
  fetched: boolean,
  tried: string[],
): Promise<ServerProgram | undefined> {
  for (const command of commands) {
    const attempt = await tryCommand(recipe, command, environment, fetched);
    if (typeof attempt !== 'string') return attempt;
    tried.push(attempt);
  }
  return undefined;
}

async function findInstalled(recipe: Recipe, tried: string[]): Promise<ServerProgram | undefined> {
  const onPath = recipe.commands.map(findOnPath).filter((command) => command !== undefined);
  const commands = [...new Set([...onPath, ...(await commandsUnder(recipe, '/'))])];
  if (commands.length === 0) tried.push(`${recipe.commands.join(' and ')} on PATH: none`);
  return firstWorking(recipe, commands, {}, false, tried);
}

async function findUnder(
  recipe: Recipe,
  root: string,
  tried: string[],
): Promise<ServerProgram | undefined> {
  const commands = await commandsUnder(recipe, root);
  return firstWorking(recipe, commands, await libraryPath(root), true, tried);
}

async function fetchProgram(
  kind: ServerKind,
  recipe: Recipe,
  tried: string[],
): Promise<ServerProgram | undefined> {
  const root = join(CACHE_DIRECTORY, kind);
  const source = await machineDebianSource();
  if (source === undefined) {
    tried.push('Debian packages: no apt with a Debian archive on this machine');
    return undefined;
  }
  for (const name of recipe.suites) {
    const suite = name === 'machine' ? source.suite : name;
    const partial = `${root}.partial-${process.pid}`;
    try {
      await rm(partial, { recursive: true, force: true });
      await fetchDebianPackages({
        source,
        suite,
        packages: recipe.packages(suite),
        withLibraries: recipe.withLibraries,
        target: partial,
      });
      const attempts: string[] = [];
      if ((await findUnder(recipe, partial, attempts)) === undefined) {
        throw new Error(attempts.join(', ') || 'the packages hold no such program');
      }
      await rm(root, { recursive: true, force: true });
      await rename(partial, root);
      return await findUnder(recipe, root, tried);
    } catch (error) {
      tried.push(`Debian packages of ${suite}: ${(error as Error).message}`);
    } finally {
      await rm(partial, { recursive: true, force: true });
    }
  }
  return undefined;
}

async function find(kind: ServerKind): Promise<ServerProgram> {
  const recipe = recipes[kind];
  const tried: string[] = [];
  const installed = await findInstalled(recipe, tried);
  if (installed !== undefined) return installed;
  const root = join(CACHE_DIRECTORY, kind);
  const cached = existsSync(root) ? await findUnder(recipe, root, []) : undefined;
  if (cached !== undefined) return cached;
  const fetched = await withDirectoryLock(`${root}.lock`, async () => {
    // Another process may have fetched it while this one waited.
    return (await findUnder(recipe, root, [])) ?? (await fetchProgram(kind, recipe, tried));
  });
  if (fetched !== undefined) return fetched;
  throw new MissingServerError(recipe.wanted, tried, recipe.advice);
}

const found = new Map<ServerKind, Promise<ServerProgram>>();

/**
 * The program of a server, fetched first when the machine has none (once a machine, guarded by a
 * lock, minutes at most). Throws `MissingServerError`.
 */
export function findServerProgram(kind: ServerKind): Promise<ServerProgram> {
  const known = found.get(kind);
  if (known !== undefined) return known;
  const search = find(kind);
  found.set(kind, search);
  search.catch(() => found.delete(kind));
  return search;
}
