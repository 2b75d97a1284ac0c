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
  /**
   * The bytes, a character for each. A small buffer is a piece of Node's pool and keeps 64 KiB of others'
   * with it, 9 KB for each answer; memory of its own costs the collector more than a text.
   */
  readonly text: string;
  readonly endsAtMs: number;
}

export class MemoryResponseStore implements ResponseStore {
  readonly outage = undefined;
  readonly #storedBytesMax: number;
  readonly #nowMs: () => number;
  /** Least recently used first. */
  readonly #stored = new Map<string, Stored>();
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
    const key = storageKey(address);
    const stored = this.#stored.get(key);
    if (!stored) return undefined;
    this.#remove(key, stored);
    if (stored.endsAtMs <= this.#nowMs()) return undefined;
    this.#add(key, stored);
    return decodeResponse(Buffer.from(stored.text, 'latin1'));
  }

  /** An answer larger than the whole bound is not kept. */
  async set(address: ResponseAddress, response: StoredResponse, ttlSeconds: number): Promise<void> {
    const key = storageKey(address);
    const text = encodeResponse(response).toString('latin1');
    const before = this.#stored.get(key);
    if (before) this.#remove(key, before);
    this.#add(key, { text, endsAtMs: this.#nowMs() + ttlSeconds * 1000 });
    for (const [oldestKey, oldest] of this.#stored) {
      if (this.#storedBytes <= this.#storedBytesMax) return;
      this.#remove(oldestKey, oldest);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stored.clear();
    this.#storedBytes = 0;
  }

  #add(key: string, stored: Stored): void {
    this.#stored.set(key, stored);
    this.#storedBytes += stored.text.length + ANSWER_OVERHEAD_BYTES;
  }

  #remove(key: string, stored: Stored): void {
    this.#stored.delete(key);
    this.#storedBytes -= stored.text.length + ANSWER_OVERHEAD_BYTES;
  }
}
