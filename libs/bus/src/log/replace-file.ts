import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Writes a small file so that a crash at any moment leaves the old text or the new one, whole. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const written = `${path}.new`;
  const file = await open(written, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.datasync();
  } finally {
    await file.close();
  }
  await rename(written, path);
  await syncDirectory(dirname(path));
}

/** Makes the names in a directory durable. Windows has no such call and needs none. */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
