/** A disk that a test can fill: a tmpfs, which takes memory for what is on it, and only root may mount. */
import { execFileSync } from 'node:child_process';
import { mkdir, statfs } from 'node:fs/promises';

/** More than JetStream wants to be free for its streams. */
const SIZE_BYTES = 16 * 1024 ** 3;

/** Whether this process may mount one. */
export const mayMountDisks = process.platform === 'linux' && process.getuid?.() === 0;

export class FillableDisk implements AsyncDisposable {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async mount(path: string): Promise<FillableDisk> {
    await mkdir(path, { recursive: true });
    // Open to all, since PostgreSQL runs as another user.
    const options = `size=${SIZE_BYTES},mode=777`;
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
    return new FillableDisk(path);
  }

  /** Leaves nothing free, by making the disk as small as what is on it. */
  async fill(): Promise<void> {
    const { blocks, bfree, bsize } = await statfs(this.path);
    this.#resize((blocks - bfree) * bsize);
  }

  free(): void {
    this.#resize(SIZE_BYTES);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Lazily: a server may still be about to close its files.
    execFileSync('umount', ['--lazy', this.path]);
  }

  #resize(sizeBytes: number): void {
    execFileSync('mount', ['-o', `remount,size=${sizeBytes}`, this.path]);
  }
}
