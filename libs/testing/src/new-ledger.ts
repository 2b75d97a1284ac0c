import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryRoot } from './repository-root.ts';

const runFile = promisify(execFile);
const CACHE = join(repositoryRoot, 'node_modules/.cache');
const PGLITE = join(repositoryRoot, 'node_modules/@electric-sql/pglite/package.json');
const MAKER = join(repositoryRoot, 'services/audit-writer/src/make-pglite.ts');

/**
 * Puts an embedded database as a first start makes it into a directory that is not there yet. Making one
 * takes seconds of CPU, copying the one that all tests share does not.
 */
export async function putNewLedger(directory: string): Promise<void> {
  await cp(await madeLedger(), directory, { recursive: true });
}

/** Made once for each version of PGlite. Several processes may make it at once; the first one's is kept. */
async function madeLedger(): Promise<string> {
  const { version } = JSON.parse(await readFile(PGLITE, 'utf8'));
  const made = join(CACHE, `new-ledger-${version}`);
  if (await exists(made)) return made;
  await mkdir(CACHE, { recursive: true });
  const making = await mkdtemp(`${made}-making-`);
  try {
    await runFile(process.execPath, ['--liftoff-only', MAKER, making]);
    await rename(making, made);
  } catch (error) {
    await rm(making, { recursive: true });
    if (!(await exists(made))) throw error;
  }
  return made;
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
