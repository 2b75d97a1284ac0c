/**
 * The entries of a bucket in one file of checksummed records. A record holds the changes that were made
 * durable together, a line for each:
 *
 *     revision SP key SP value LF     the value as JSON, which has no line feed
 *     revision SP key LF              a deletion
 *
 * A batch of changes is one synced append. A file that has grown to twice what it held is compacted:
 * replaced by one of the entries that are there.
 */
import { readFile, stat, unlink } from 'node:fs/promises';
import { z } from 'zod';
import type { Logger } from '../log/durable-log.ts';
import { encodeRecord, type LogRecord, scanRecords } from '../log/log-record.ts';
import { LogSegment } from '../log/log-segment.ts';
import { takeReplacement, writeReplacement } from '../log/replace-file.ts';
import type { StoredEntry } from './stored-entry.ts';

export interface BucketChange {
  /** Without spaces. */
  readonly key: string;
  /** JSON, or undefined for a deletion. */
  readonly text: string | undefined;
}

/** A file grows by this much, however little it held, before it is compacted. */
export const GROWTH_BYTES_MIN = 1024 * 1024;
/** Of the lines of one record of a compacted file: one is encoded at a time. */
const RECORD_BYTES = 64 * 1024;
/** Of a line beside its key and value: a revision, two spaces and a line feed. */
const LINE_BYTES = 19;
const utf8 = new TextDecoder();

export class BucketStorage {
  readonly #path: string;
  readonly #fileBytesMax: number;
  readonly #logger: Logger;
  /** The lowest revision first. */
  readonly #entries = new Map<string, StoredEntry>();
  #revision = 0;
  #bytes = 0;
  #file: LogSegment | undefined;
  /** The size of the file from which on compacting it is worth it. */
  #compactedFrom = 0;

  private constructor(path: string, bytesMax: number, logger: Logger) {
    this.#path = path;
    this.#fileBytesMax = fileBytesMax(bytesMax);
    this.#logger = logger;
  }

  /**
   * Cuts off what an interrupted append left behind. Throws where anything else cannot be read: a change
   * that is passed over may be a revoked key.
   */
  static async open(path: string, bytesMax: number, logger: Logger): Promise<BucketStorage> {
    const storage = new BucketStorage(path, bytesMax, logger);
    await storage.#load();
    return storage;
  }

  get entries(): ReadonlyMap<string, StoredEntry> {
    return this.#entries;
  }

  /** The last one given, to a deletion too. */
  get revision(): number {
    return this.#revision;
  }

  /** Of the keys and values that are there. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Makes all of the changes durable, in order, or throws and has made none. */
  async append(changes: readonly BucketChange[]): Promise<void> {
    const lines = changes.map((change, index) => lineOf(this.#revision + 1 + index, change));
    const record = recordOf(lines, this.#revision + changes.length);
    let file = this.#file;
    const isFull = () => (file?.size ?? 0) + record.length > this.#fileBytesMax;
    if (file === undefined || file.sealed || isFull()) file = await this.#compact();
    if (isFull()) throw new RangeError('the file is full');
    await file.append(record);
    for (const { key, text } of changes) this.#apply(this.#revision + 1, key, text);
  }

  /** Compacts the file when that is worth it. One that cannot be compacted is added to. */
  async compact(): Promise<void> {
    const { size = 0 } = this.#file ?? {};
    if (size < this.#compactedFrom) return;
    try {
      await this.#compact();
    } catch (error) {
      this.#compactedFrom = size + GROWTH_BYTES_MIN;
      this.#logger.error({ error, file: this.#path }, 'cannot compact the file of a bucket');
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  get #jsonPath(): string {
    return `${this.#path}.json`;
  }

  async #load(): Promise<void> {
    const file = new LogSegment(this.#path, 0, true);
    const bytes = await ifThere(file.load());
    if (bytes === undefined) await this.#loadJson();
    else await this.#loadRecords(file, bytes);
    await ifThere(unlink(this.#jsonPath));
  }

  async #loadRecords(file: LogSegment, bytes: Buffer): Promise<void> {
    this.#file = file;
    for (const piece of scanRecords(bytes)) {
      if ('record' in piece) this.#applyRecord(piece.record);
      else if (piece.torn) await file.truncate(piece.start);
      else throw new Error(`${this.#path} is damaged at ${piece.start} to ${piece.end}`);
    }
    this.#compactedFrom = compactedFrom(this.#bytes);
  }

  /** The file of earlier gateways, which wrote it whole for each change. */
  async #loadJson(): Promise<void> {
    const text = await ifThere(readFile(this.#jsonPath, 'utf8'));
    if (text === undefined) return;
    const { revision, entries } = bucketJson.parse(JSON.parse(text));
    entries.sort(([, one], [, other]) => one.revision - other.revision);
    for (const [key, entry] of entries) this.#apply(entry.revision, key, entry.text);
    this.#revision = revision;
    await this.#compact();
  }

  #applyRecord({ bytes, sequence }: LogRecord): void {
    const lines = utf8.decode(bytes).split('\n');
    // Each line ends with a line feed.
    for (const line of lines.slice(0, -1)) {
      const keyStart = line.indexOf(' ') + 1;
      const keyEnd = line.indexOf(' ', keyStart);
      const revision = Number(line.slice(0, keyStart - 1));
      if (keyEnd < 0) this.#apply(revision, line.slice(keyStart), undefined);
      else this.#apply(revision, line.slice(keyStart, keyEnd), line.slice(keyEnd + 1));
    }
    this.#revision = sequence;
  }

  #apply(revision: number, key: string, text: string | undefined): void {
    this.#bytes -= entryBytes(key, this.#entries.get(key)?.text);
    this.#bytes += entryBytes(key, text);
    this.#entries.delete(key);
    if (text !== undefined) this.#entries.set(key, { text, revision });
    this.#revision = revision;
  }

  async #compact(): Promise<LogSegment> {
    await writeReplacement(this.#path, this.#records());
    const old = this.#file;
    // From here on its name may be that of the other file: nothing may be added to it.
    if (old !== undefined) old.sealed = true;
    await takeReplacement(this.#path);
    const file = new LogSegment(this.#path, 0, true);
    file.size = (await stat(this.#path)).size;
    this.#file = file;
    this.#compactedFrom = compactedFrom(file.size);
    await old?.close();
    return file;
  }

  *#records(): Generator<Buffer, void, undefined> {
    let lines: string[] = [];
    let bytes = 0;
    let last = 0;
    for (const [key, { text, revision }] of this.#entries) {
      lines.push(lineOf(revision, { key, text }));
      bytes += entryBytes(key, text);
      last = revision;
      if (bytes < RECORD_BYTES) continue;
      yield recordOf(lines, last);
      lines = [];
      bytes = 0;
    }
    if (lines.length > 0) yield recordOf(lines, last);
    // The last change was a deletion; no revision is given twice.
    if (this.#revision > last) yield recordOf([], this.#revision);
  }
}

const bucketJson = z.object({
  revision: z.number().int().nonnegative(),
  entries: z.array(z.tuple([z.string(), z.object({ text: z.string(), revision: z.number() })])),
});

function compactedFrom(size: number): number {
  return 2 * size + GROWTH_BYTES_MIN;
}

/** Of the file of a bucket that may have so many bytes, should it never be compacted. */
export function fileBytesMax(bytesMax: number): number {
  return 2 * bytesMax + 4 * GROWTH_BYTES_MIN;
}

/** What an entry counts against the bound of its bucket. */
export function entryBytes(key: string, text: string | undefined): number {
  return text === undefined ? 0 : LINE_BYTES + key.length + Buffer.byteLength(text);
}

function lineOf(revision: number, { key, text }: BucketChange): string {
  return text === undefined ? `${revision} ${key}\n` : `${revision} ${key} ${text}\n`;
}

function recordOf(lines: readonly string[], revision: number): Buffer {
  const bytes = Buffer.from(lines.join(''));
  return encodeRecord({ id: '', subject: '', headers: {}, bytes }, revision, Date.now());
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  return await reading.catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}
