/**
 * The twin of the Redis store for one process: least recently used answers go first, over a byte
 * bound.
 */
import {
  type ResponseAddress,
  type ResponseStore,
  type StoredResponse,
  storageKey,
} from './response-store.ts';
import { decodeResponse, encodeResponse } from './stored-form.ts';

export const STORED_BYTES_MAX = 64 * 1024 * 1024;
/** What a stored answer costs besides its bytes: its name, its text, its place in the map. */
export const ANSWER_OVERHEAD_BYTES = 512;

export interface MemoryResponseStoreOptions {
  readonly storedBytesMax?: number;
  /** Milliseconds on a clock that never goes back. */
  readonly nowMs?: () => number;
}

interface Stored {
  readonly key: string;
  /**
   * The bytes, a character for each. A small buffer is a piece of Node's pool and keeps 64 KiB of others'
   * with it, 9 KB for each answer; memory of its own costs the collector more than a text.
   */
  readonly text: string;
  readonly endsAtMs: number;
  older: Stored | undefined;
  newer: Stored | undefined;
}

export class MemoryResponseStore implements ResponseStore {
  readonly outage = undefined;
  readonly #storedBytesMax: number;
  readonly #nowMs: () => number;
  readonly #stored = new Map<string, Stored>();
  /**
   * The ends of a chain by last use: the first of a `Map` is behind the holes of all that were deleted
   * before it, which takes ever longer to find.
   */
  #oldest: Stored | undefined;
  #newest: Stored | undefined;
  #storedBytes = 0;

  constructor(options: MemoryResponseStoreOptions = {}) {
    this.#storedBytesMax = options.storedBytesMax ?? STORED_BYTES_MAX;
    this.#nowMs = options.nowMs ?? (() => performance.now());
  }

  /** At most the bound, with `ANSWER_OVERHEAD_BYTES` for each answer. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  async get(address: ResponseAddress): Promise<StoredResponse | undefined> {
    const stored = this.#stored.get(storageKey(address));
    if (stored === undefined) return undefined;
    if (stored.endsAtMs <= this.#nowMs()) {
      this.#remove(stored);
      return undefined;
    }
    this.#unlink(stored);
    this.#linkAsNewest(stored);
    return decodeResponse(Buffer.from(stored.text, 'latin1'));
  }

  /** An answer larger than the whole bound is not kept. */
  async set(address: ResponseAddress, response: StoredResponse, ttlSeconds: number): Promise<void> {
    const key = storageKey(address);
    const text = encodeResponse(response).toString('latin1');
    const before = this.#stored.get(key);
    if (before !== undefined) this.#remove(before);
    const endsAtMs = this.#nowMs() + ttlSeconds * 1000;
    this.#add({ key, text, endsAtMs, older: undefined, newer: undefined });
    while (this.#oldest !== undefined && this.#storedBytes > this.#storedBytesMax) {
      this.#remove(this.#oldest);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stored.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
    this.#storedBytes = 0;
  }

  #add(stored: Stored): void {
    this.#stored.set(stored.key, stored);
    this.#linkAsNewest(stored);
    this.#storedBytes += stored.text.length + ANSWER_OVERHEAD_BYTES;
  }

  #remove(stored: Stored): void {
    this.#stored.delete(stored.key);
    this.#unlink(stored);
    this.#storedBytes -= stored.text.length + ANSWER_OVERHEAD_BYTES;
  }

  #linkAsNewest(stored: Stored): void {
    stored.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = stored;
    else this.#newest.newer = stored;
    this.#newest = stored;
  }

  #unlink(stored: Stored): void {
    const { older, newer } = stored;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    // One that lies in the old generation would keep its neighbours there until that is collected.
    stored.older = undefined;
    stored.newer = undefined;
  }
}
