/** A bucket of control data on disk. Changes that wait while another is written go out together. */
import { GatewayError } from '@gateway/protocol';
import type { Bucket, BucketWatcher, Entry, Subscription } from '../bus.ts';
import type { Logger } from '../log/durable-log.ts';
import { type BucketChange, BucketStorage, entryBytes } from './bucket-storage.ts';
import { BucketWatch } from './bucket-watch.ts';
import { readEntry } from './stored-entry.ts';

const KEY = /^[A-Za-z0-9_-]{1,128}$/;
export const VALUE_BYTES_MAX = 512 * 1024;
/** Of all keys and values, as over NATS. */
export const BUCKET_BYTES_MAX = 256 * 1024 * 1024;
/** Of changes that are not yet on their way to the disk. */
export const WAITING_BYTES_MAX = 16 * 1024 * 1024;

interface WaitingChange extends BucketChange {
  resolve(revision: number): void;
  reject(error: GatewayError): void;
}

export class BucketFile implements Bucket {
  readonly #storage: BucketStorage;
  readonly #bytesMax: number;
  readonly #logger: Logger;
  readonly #waiting: WaitingChange[] = [];
  readonly #watches = new Set<BucketWatch>();
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;

  private constructor(storage: BucketStorage, bytesMax: number, logger: Logger) {
    this.#storage = storage;
    this.#bytesMax = bytesMax;
    this.#logger = logger;
  }

  /** Throws where the file is there and unreadable: an empty bucket would revoke every key. */
  static async open(
    path: string,
    logger: Logger,
    bytesMax: number = BUCKET_BYTES_MAX,
  ): Promise<BucketFile> {
    return new BucketFile(await BucketStorage.open(path, bytesMax, logger), bytesMax, logger);
  }

  async get(key: string): Promise<Entry | undefined> {
    return readEntry(this.#storage.entries.get(key));
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
    for (const [key, entry] of this.#storage.entries) watch.changed(key, entry);
    watch.ready();
    this.#watches.add(watch);
    return watch;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#storage.close();
  }

  async #change(key: string, text: string | undefined): Promise<number> {
    if (!KEY.test(key)) {
      throw new GatewayError('internal', 'The gateway failed to handle this request.', {
        detail: 'a bucket key must be 1 to 128 characters of [A-Za-z0-9_-]',
      });
    }
    const bytes = entryBytes(key, text);
    const had = entryBytes(key, this.#storage.entries.get(key)?.text);
    // What waits is counted as if it replaced nothing, so that no order of changes exceeds the bound.
    if (bytes > had && this.#storage.bytes + this.#waitingBytes + bytes - had > this.#bytesMax) {
      throw refusal('the bucket is full');
    }
    if (this.#waitingBytes + bytes > WAITING_BYTES_MAX) {
      throw refusal('too many changes wait for the disk');
    }
    return await new Promise((resolve, reject) => {
      this.#waitingBytes += bytes;
      this.#waiting.push({ key, text, resolve, reject });
      this.#writing ??= this.#writeWaiting();
    });
  }

  async #writeWaiting(): Promise<void> {
    while (this.#waiting.length > 0) {
      const changes = this.#waiting.splice(0);
      const before = this.#storage.revision;
      try {
        await this.#storage.append(changes);
        this.#told(changes, before);
      } catch (error) {
        const refused = refusal('a bucket cannot be written', error);
        for (const { reject } of changes) reject(refused);
      }
      for (const { key, text } of changes) this.#waitingBytes -= entryBytes(key, text);
      await this.#storage.compact();
    }
    this.#writing = undefined;
  }

  #told(changes: readonly WaitingChange[], before: number): void {
    for (const [index, { key, text, resolve }] of changes.entries()) {
      const revision = before + 1 + index;
      const entry = text === undefined ? undefined : { text, revision };
      for (const watch of this.#watches) watch.changed(key, entry);
      resolve(revision);
    }
  }
}

function refusal(detail: string, cause?: unknown): GatewayError {
  return new GatewayError('bus_unavailable', 'The change could not be stored.', { detail, cause });
}
