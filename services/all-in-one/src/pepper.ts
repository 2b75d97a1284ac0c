/** The pepper of an embedded gateway: made on the first start, kept beside its data. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '@gateway/bus';
import { Secret } from '@gateway/runtime';
import { PEPPER_LENGTH_MIN } from './config.ts';

const FILE = 'key-pepper';
const PEPPER_BYTES = 32;

/**
 * Reads the pepper of the data directory, or makes it. The file is for its owner alone. Throws for a
 * file that holds none: keys hashed with another one would be lost.
 */
export async function loadPepper(directory: string): Promise<Secret> {
  const file = join(directory, FILE);
  try {
    const text = (await readFile(file, 'utf8')).trim();
    if (text.length >= PEPPER_LENGTH_MIN) return new Secret(text);
    throw new Error(`${file} holds no pepper of ${PEPPER_LENGTH_MIN} characters or more.`);
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing) throw error;
  }
  const pepper = randomBytes(PEPPER_BYTES).toString('base64url');
  await replaceFile(file, `${pepper}\n`);
  return new Secret(pepper);
}
