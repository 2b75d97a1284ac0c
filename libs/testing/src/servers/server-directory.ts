import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { UserIdentity } from '../die-with-parent.ts';

export interface ServerOptions {
  /** Default: a free loopback port. */
  readonly port?: number;
  /** A directory to keep data, configuration and log in. Default: a temporary one. */
  readonly dataDir?: string;
}

export interface ServerDirectory {
  readonly directory: string;
  /** The server's own part of it. */
  readonly dataDirectory: string;
  readonly logFile: string;
  readonly removeDirectory: boolean;
}

async function makeServerDirectory(
  name: string,
  dataDir: string | undefined,
  owner: UserIdentity | undefined,
): Promise<ServerDirectory> {
  const directory =
    dataDir === undefined ? await mkdtemp(join(tmpdir(), `gateway-${name}-`)) : resolve(dataDir);
  const dataDirectory = join(directory, 'data');
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 });
  if (owner !== undefined) {
    await chown(directory, owner.uid, owner.gid);
    await chown(dataDirectory, owner.uid, owner.gid);
  }
  return {
    directory,
    dataDirectory,
    logFile: join(directory, 'server.log'),
    removeDirectory: dataDir === undefined,
  };
}

/**
 * Makes the directory of one server, `data/` and `server.log`, owned by who will run it, and
 * removes a temporary one again when the start fails.
 */
export async function inServerDirectory<T>(
  name: string,
  options: { readonly dataDir?: string | undefined; readonly owner?: UserIdentity | undefined },
  start: (directory: ServerDirectory) => Promise<T>,
): Promise<T> {
  const directory = await makeServerDirectory(name, options.dataDir, options.owner);
  try {
    return await start(directory);
  } catch (error) {
    if (directory.removeDirectory) await rm(directory.directory, { recursive: true, force: true });
    throw error;
  }
}
