/** What clients saw, one JSON line for each request, on disk before its client goes on. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { JournalEntry } from './history.ts';

/** An append-only file. Lines that come while the disk is busy are synced together. */
export class Journal implements AsyncDisposable {
  readonly #file: FileHandle;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async create(path: string): Promise<Journal> {
    return new Journal(await open(path, 'ax'));
  }

  /** Resolves once the line is on disk. Each client has one line at most on its way. */
  async append(entry: JournalEntry): Promise<void> {
    this.#waiting.push(`${JSON.stringify(entry)}\n`);
    // The lines of a batch that is being written are closed: this one is of the next.
    await this.#writing;
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    await this.#writing;
  }

  async #write(): Promise<void> {
    const lines = this.#waiting;
    if (lines.length === 0) return;
    this.#waiting = [];
    await this.#file.appendFile(lines.join(''));
    await this.#file.datasync();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }
}

/** The values of a file of JSON lines. */
export async function readJsonLines<Value>(path: string): Promise<Value[]> {
  const values: Value[] = [];
  for await (const line of createInterface({ input: createReadStream(path) })) {
    values.push(JSON.parse(line) as Value);
  }
  return values;
}
