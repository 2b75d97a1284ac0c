import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

type FileContent = string | Iterable<Uint8Array>;

/** Writes a file so that a crash at any moment leaves the old content or the new one, whole. */
export async function replaceFile(path: string, content: FileContent): Promise<void> {
  await writeReplacement(path, content);
  await takeReplacement(path);
}

/** The first half of `replaceFile`: until it is done the old file is as it was. */
export async function writeReplacement(path: string, content: FileContent): Promise<void> {
  const file = await open(replacementOf(path), 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** The second half: after an error nobody knows which of the two files a crash would leave. */
export async function takeReplacement(path: string): Promise<void> {
  await rename(replacementOf(path), path);
  await syncDirectory(dirname(path));
}

function replacementOf(path: string): string {
  return `${path}.new`;
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
