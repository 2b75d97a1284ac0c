/**
 * A log file of bounded size: a full one becomes `<file>.1`, that one `<file>.2`, and the oldest is
 * replaced. It is opened anew for each batch of lines, so that replicas may share a file and a tool
 * may move it away.
 */
import { accessSync, closeSync, constants, mkdirSync, openSync } from 'node:fs';
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const MEBIBYTE = 1024 * 1024;
const FILE_BYTES_MAX = 10 * MEBIBYTE;
/** The one that is written to included. */
const FILES_MAX = 5;
/** Bytes that wait for a slow disk. Lines beyond it are dropped. */
const WAITING_BYTES_MAX = 8 * MEBIBYTE;
/** How long lines gather before they are written together. */
const GATHER_MS = 100;

export interface LogFileOptions {
  readonly path: string;
  readonly fileBytesMax?: number;
  /** 2 or more. */
  readonly filesMax?: number;
  readonly waitingBytesMax?: number;
  /** Told of each line that is not written. */
  readonly onDrop: () => void;
  /** Told of the first of several failures in a row. */
  readonly onFailure: (error: unknown) => void;
}

export class LogFile {
  readonly #options: Required<LogFileOptions>;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #gathering = new AbortController();
  #isFailing = false;

  constructor(options: LogFileOptions) {
    this.#options = {
      fileBytesMax: FILE_BYTES_MAX,
      filesMax: FILES_MAX,
      waitingBytesMax: WAITING_BYTES_MAX,
      ...options,
    };
  }

  /** Keeps the line for the next batch. Never blocks and never throws. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    const { fileBytesMax, waitingBytesMax, onDrop } = this.#options;
    if (bytes.length > fileBytesMax || this.#waitingBytes + bytes.length > waitingBytesMax) {
      onDrop();
      return;
    }
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when every line so far is in the file, or dropped. */
  async flush(): Promise<void> {
    this.#gathering.abort();
    await this.#writing;
  }

  /** Forgets the lines that wait. */
  discard(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Without holding up the end of the process: flush() is called there.
      const { signal } = this.#gathering;
      await sleep(GATHER_MS, undefined, { signal, ref: false }).catch(() => {});
      const lines = this.#waiting;
      this.discard();
      try {
        await this.#append(lines);
        this.#isFailing = false;
      } catch (error) {
        for (const _line of lines) this.#options.onDrop();
        if (!this.#isFailing) this.#options.onFailure(error);
        this.#isFailing = true;
      }
    }
    this.#gathering = new AbortController();
    this.#writing = undefined;
  }

  async #append(lines: readonly Buffer[]): Promise<void> {
    let rest = lines;
    while (rest.length > 0) {
      const file = await this.#openWithSpace(rest[0]?.length ?? 0);
      try {
        const space = this.#options.fileBytesMax - (await file.stat()).size;
        const count = countThatFit(rest, space);
        await file.appendFile(Buffer.concat(rest.slice(0, count)));
        rest = rest.slice(count);
      } finally {
        await file.close();
      }
    }
  }

  async #openWithSpace(bytes: number): Promise<FileHandle> {
    const { path, fileBytesMax } = this.#options;
    const file = await open(path, 'a');
    if ((await file.stat()).size + bytes <= fileBytesMax) return file;
    await file.close();
    await this.#rotate();
    return open(path, 'a');
  }

  async #rotate(): Promise<void> {
    const { path, filesMax } = this.#options;
    for (let number = filesMax - 1; number >= 1; number--) {
      const from = number === 1 ? path : `${path}.${number - 1}`;
      await rename(from, `${path}.${number}`).catch(ignoreMissing);
    }
  }
}

/** How many of the lines go into the space together. */
function countThatFit(lines: readonly Buffer[], spaceBytes: number): number {
  let bytes = 0;
  const first = lines.findIndex((line) => {
    bytes += line.length;
    return bytes > spaceBytes;
  });
  return first === -1 ? lines.length : first;
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
}

/**
 * Makes the directory and the file. Throws where one of them cannot be written; moving a full file
 * away takes the right to write the directory too.
 */
export function prepareLogFile(path: string): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true });
  accessSync(directory, constants.W_OK | constants.X_OK);
  closeSync(openSync(path, 'a'));
}
