/** The pepper of an embedded gateway: made on the first start, kept beside its data. */
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret } from '@gateway/runtime';

const FILE = 'key-pepper';
const PEPPER_BYTES = 32;
const OWNER_ONLY = 0o600;

/** Reads the pepper of the data directory, or makes it. The file is for its owner alone. */
export async function loadPepper(directory: string): Promise<Secret> {
  const file = join(directory, FILE);
  try {
    return new Secret((await readFile(file, 'utf8')).trim());
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing) throw error;
  }
  const pepper = randomBytes(PEPPER_BYTES).toString('base64url');
  await writeFile(file, `${pepper}\n`, { mode: OWNER_ONLY, flag: 'wx' });
  return new Secret(pepper);
}
