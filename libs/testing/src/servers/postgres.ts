import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { inheritedEnvironment } from '../config.ts';
import { spawnTied, type UserIdentity } from '../die-with-parent.ts';
import { runStatements } from './postgres-query.ts';
import { inServerDirectory, type ServerDirectory, type ServerOptions } from './server-directory.ts';
import {
  onPort,
  type RunningServer,
  ServerStartError,
  startServerProcess,
} from './server-process.ts';
import { findServerProgram, type ServerProgram } from './server-programs.ts';

const USER = 'gateway';
const DATABASE = 'gateway';
const INITDB_TIMEOUT_MS = 60_000;
const OUTPUT_CHARACTERS_MAX = 4_000;
const NOBODY_ID = 65_534;
/** The line of postmaster.pid that says how far the start is. */
const STATUS_LINE = 7;

export interface PostgresOptions extends ServerOptions {
  /** Whether a commit waits for the disk. Default false: it survives SIGKILL, not a power cut. */
  readonly durable?: boolean;
}

export interface PostgresServer extends RunningServer {
  /**
   * Makes a database of its own for a test and gives its URL. `template` is the name of a database
   * to copy, which nobody may be connected to; default an empty one.
   */
  createDatabase(template?: string): Promise<string>;
}

function databaseUrl(port: number, database: string): string {
  // Trust authentication ignores the password; it is there for what insists on one.
  return `postgres://${USER}:${USER}@127.0.0.1:${port}/${database}`;
}

/** PostgreSQL refuses to run as root, so root runs it as `postgres`, else as `nobody`. */
async function unprivilegedUser(): Promise<UserIdentity | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = await readFile('/etc/passwd', 'utf8').catch(() => '');
  const account = /^postgres:[^:]*:(\d+):(\d+):/m.exec(accounts);
  return {
    uid: Number(account?.[1] ?? NOBODY_ID),
    gid: Number(account?.[2] ?? NOBODY_ID),
  };
}

/** Whether the user may pass through every directory above the path; those to come are open to it. */
async function reaches(path: string, { uid, gid }: UserIdentity): Promise<boolean> {
  for (let directory = dirname(resolve(path)); ; directory = dirname(directory)) {
    const found = await stat(directory).catch(() => undefined);
    if (found !== undefined) {
      const { mode } = found;
      const search = found.uid === uid ? 0o100 : found.gid === gid ? 0o010 : 0o001;
      if ((mode & search) === 0) return false;
    }
    if (directory === dirname(directory)) return true;
  }
}

/** The user as it must be to reach its data and its program, as in a clone of root's own. */
async function ableToReach(
  user: UserIdentity,
  paths: readonly (string | undefined)[],
): Promise<UserIdentity> {
  const given = paths.filter((path) => path !== undefined);
  const reached = await Promise.all(given.map((path) => reaches(path, user)));
  return { ...user, entersAnyDirectory: reached.includes(false) };
}

interface Installation {
  readonly program: ServerProgram;
  readonly environment: Readonly<Record<string, string>>;
  readonly runAs: UserIdentity | undefined;
}

function initialiseCluster(installation: Installation, dataDirectory: string): Promise<void> {
  const { program, environment, runAs } = installation;
  const initdb = spawnTied(
    join(dirname(program.command), 'initdb'),
    [
      ...['--pgdata', dataDirectory, '--username', USER, '--auth', 'trust', '--encoding', 'UTF8'],
      ...['--locale', 'C', '--no-sync', '--no-instructions'],
    ],
    {
      cwd: dataDirectory,
      env: { ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: INITDB_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      ...(runAs && { runAs }),
    },
  );
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-OUTPUT_CHARACTERS_MAX);
  };
  initdb.stdout?.on('data', keep);
  initdb.stderr?.on('data', keep);
  return new Promise((resolve, reject) => {
    initdb.once('error', reject);
    initdb.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new ServerStartError(`initdb ended with ${code}: ${output.trim()}`));
    });
  });
}

function serverArguments(port: number, dataDirectory: string, durable: boolean): string[] {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    // Files of the data directory, which leave nothing behind after SIGKILL.
    dynamic_shared_memory_type: 'mmap',
    jit: 'off',
    shared_buffers: '32MB',
    max_connections: '200',
    // synchronous_commit stays on: without it SIGKILL loses rows that were acknowledged.
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  return ['-D', dataDirectory, ...flags];
}

async function isReady(dataDirectory: string, pid: number): Promise<boolean> {
  const lines = (await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8')).split('\n');
  return Number(lines[0]) === pid && lines[STATUS_LINE]?.trim() === 'ready';
}

async function startCluster(
  installation: Installation,
  options: PostgresOptions,
  directory: ServerDirectory,
): Promise<RunningServer> {
  const { program, environment, runAs } = installation;
  const { dataDirectory } = directory;
  const isNew = !existsSync(join(dataDirectory, 'PG_VERSION'));
  if (isNew) await initialiseCluster(installation, dataDirectory);
  const server = await onPort(options.port, (port) =>
    startServerProcess({
      ...directory,
      name: 'postgres',
      url: databaseUrl(port, DATABASE),
      port,
      command: program.command,
      commandArguments: serverArguments(port, dataDirectory, options.durable ?? false),
      environment,
      // A fast shutdown: it does not wait for clients to leave.
      stopSignal: 'SIGINT',
      ...(runAs && { runAs }),
      isReady: (pid) => isReady(dataDirectory, pid),
    }),
  );
  if (isNew) await administer(server.port, `CREATE DATABASE ${DATABASE}`);
  return server;
}

function administer(port: number, sql: string): Promise<void> {
  return runStatements({ port, user: USER, database: 'postgres' }, sql);
}

/** Starts PostgreSQL on loopback with the database `gateway`. Throws `MissingServerError`. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const program = await findServerProgram('postgres');
  const user = await unprivilegedUser();
  const runAs = user && (await ableToReach(user, [options.dataDir, program.command]));
  const environment = { ...inheritedEnvironment(), ...program.environment };
  const server = await inServerDirectory(
    'postgres',
    { dataDir: options.dataDir, owner: runAs },
    (directory) => startCluster({ program, environment, runAs }, options, directory),
  );
  // Not a spread: `pid` is read anew after a restart.
  return Object.assign(server, {
    createDatabase: async (template = 'template0') => {
      const name = `test_${randomBytes(8).toString('hex')}`;
      await administer(server.port, `CREATE DATABASE "${name}" TEMPLATE "${template}"`);
      return databaseUrl(server.port, name);
    },
  });
}
