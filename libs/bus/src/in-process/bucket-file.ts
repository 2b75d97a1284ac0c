/**
 * A bucket of control data in one file, rewritten whole by each write: it is small and changes seldom.
 * Writes that wait while another is under way go out together.
 */
import { readFile } from 'node:fs/promises';
import { GatewayError } from '@gateway/protocol';
import { z } from 'zod';
import type { Bucket, BucketWatcher, Entry, Subscription } from '../bus.ts';
import type { Logger } from '../log/durable-log.ts';
import { replaceFile } from '../log/replace-file.ts';
import { BucketWatch } from './bucket-watch.ts';
import { readEntry, type StoredEntry } from './stored-entry.ts';

const KEY = /^[A-Za-z0-9_-]{1,128}$/;
export const VALUE_BYTES_MAX = 512 * 1024;
export const BUCKET_BYTES_MAX = 16 * 1024 * 1024;

const bucketText = z.object({
  /** The last one given, to a deletion too. */
  revision: z.number().int().nonnegative(),
  entries: z.array(z.tuple([z.string(), z.object({ text: z.string(), revision: z.number() })])),
});

interface Change {
  readonly key: string;
  readonly text: string | undefined;
  resolve(revision: number): void;
  reject(error: GatewayError): void;
}

export class BucketFile implements Bucket {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #waiting: Change[] = [];
  readonly #watches = new Set<BucketWatch>();
  #entries: ReadonlyMap<string, StoredEntry> = new Map();
  #revision = 0;
  #writing: Promise<void> | undefined;

  private constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
  }

  /** Throws where the file is there and unreadable: an empty bucket would revoke every key. */
  static async open(path: string, logger: Logger): Promise<BucketFile> {
    const bucket = new BucketFile(path, logger);
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
    if (text !== undefined) {
      const stored = bucketText.parse(JSON.parse(text));
      bucket.#entries = new Map(stored.entries);
      bucket.#revision = stored.revision;
    }
    return bucket;
  }

  async get(key: string): Promise<Entry | undefined> {
    return readEntry(this.#entries.get(key));
  }

  async put(key: string, value: unknown): Promise<number> {
    const text = JSON.stringify(value);
    const bytes = Buffer.byteLength(text);
    if (bytes > VALUE_BYTES_MAX) throw refusal(`a value of ${bytes} bytes is too large`);
    return await this.#change(key, text);
  }

  async delete(key: string): Promise<void> {
    await this.#change(key, undefined);
  }

  async watch(watcher: BucketWatcher): Promise<Subscription> {
    const watch = new BucketWatch(watcher, this.#logger, () => this.#watches.delete(watch));
    for (const [key, entry] of this.#entries) watch.changed(key, entry);
    watch.ready();
    this.#watches.add(watch);
    return watch;
  }

  async close(): Promise<void> {
    await this.#writing;
  }

  async #change(key: string, text: string | undefined): Promise<number> {
    if (!KEY.test(key)) {
      throw new GatewayError('internal', 'The gateway failed to handle this request.', {
        detail: 'a bucket key must be 1 to 128 characters of [A-Za-z0-9_-]',
      });
    }
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ key, text, resolve, reject });
      this.#writing ??= this.#writeWaiting();
    });
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const changes = this.#waiting.splice(0);
      const entries = new Map(this.#entries);
      let revision = this.#revision;
      for (const { key, text } of changes) {
        revision += 1;
        if (text === undefined) entries.delete(key);
        else entries.set(key, { text, revision });
      }
      try {
        await this.#store(revision, entries);
        this.#apply(changes, entries);
      } catch (error) {
        const refused = refusal('a bucket cannot be written', error);
        for (const { reject } of changes) reject(refused);
      }
    }
    this.#writing = undefined;
  }

  async #store(revision: number, entries: ReadonlyMap<string, StoredEntry>): Promise<void> {
    const text = JSON.stringify({ revision, entries: [...entries] });
    if (Buffer.byteLength(text) > BUCKET_BYTES_MAX) throw new RangeError('the bucket is full');
    await replaceFile(this.#path, text);
  }

  #apply(changes: readonly Change[], entries: ReadonlyMap<string, StoredEntry>): void {
    this.#entries = entries;
    for (const { key, text, resolve } of changes) {
      this.#revision += 1;
      const revision = this.#revision;
      const entry = text === undefined ? undefined : { text, revision };
      for (const watch of this.#watches) watch.changed(key, entry);
      resolve(revision);
    }
  }
}

function refusal(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('bus_unavailable', 'The change could not be stored.', { detail, cause });
}
