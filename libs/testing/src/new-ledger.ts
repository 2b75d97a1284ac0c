import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repositoryRoot } from './repository-root.ts';

const runFile = promisify(execFile);
const CACHE = join(repositoryRoot, 'node_modules/.cache');
const PGLITE = join(repositoryRoot, 'node_modules/@electric-sql/pglite/package.json');
const MAKER_DIRECTORY = join(repositoryRoot, 'services/audit-writer/src');
const MAKER = join(MAKER_DIRECTORY, 'make-pglite.ts');
/** What decides how a new database looks. */
const SOURCES = [PGLITE, MAKER, join(MAKER_DIRECTORY, 'pglite-worker.ts')];

/**
 * Puts an embedded database as a first start makes it into a directory that is not there yet. Making one
 * takes seconds of CPU, copying the one that all tests share does not.
 */
export async function putNewLedger(directory: string): Promise<void> {
  await cp(await madeLedger(), directory, { recursive: true });
}

/** Made anew after each change of its sources. Several processes may make it at once; one's is kept. */
async function madeLedger(): Promise<string> {
  const hash = createHash('sha256');
  for (const source of SOURCES) hash.update(await readFile(source));
  const made = join(CACHE, `new-ledger-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(made)) return made;
  await mkdir(CACHE, { recursive: true });
  const making = await mkdtemp(`${made}-making-`);
  try {
    // With the flag that a first start gives it, and for the same reason.
    await runFile(process.execPath, ['--liftoff-only', MAKER, making]);
    await rename(making, made);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    if (!existsSync(made)) throw error;
  }
  return made;
}
