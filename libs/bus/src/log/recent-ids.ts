import { InFlightMap } from '@gateway/runtime';

const STORED = Promise.resolve();

/**
 * The ids stored within a window, of many at least the last half of the bound. They are in two
 * generations of which the older is dropped whole: to find and to delete each one when its time has come
 * costs more than all else that is done with it.
 */
export class RecentIds {
  /** When each was appended, in milliseconds since 1970. */
  #newer = new Map<string, number>();
  #older = new Map<string, number>();
  /** When the newer generation began. */
  #since = Number.NEGATIVE_INFINITY;
  /** Of those that are on their way; a promise for each of the others would be most of the memory. */
  readonly #pending = new InFlightMap<string, Promise<void>>();
  readonly #generationMax: number;
  readonly #windowMs: number;

  /** Never holds more than `countMax`, an even number. */
  constructor(countMax: number, windowMs: number) {
    this.#generationMax = countMax / 2;
    this.#windowMs = windowMs;
  }

  get size(): number {
    return this.#newer.size + this.#older.size;
  }

  /** Settles with the first message of this id; undefined when none is known. */
  stored(id: string, now: number): Promise<void> | undefined {
    const at = this.#newer.get(id) ?? this.#older.get(id);
    if (at === undefined || at <= now - this.#windowMs) return undefined;
    return this.#pending.get(id) ?? STORED;
  }

  /** `pending` settles when the message is stored, of which `settled` is told; without, it is there. */
  add(id: string, at: number, pending?: Promise<void>): void {
    if (this.#newer.size >= this.#generationMax || at - this.#since >= this.#windowMs) {
      this.#older = this.#newer;
      this.#newer = new Map();
      this.#since = at;
    }
    this.#newer.set(id, at);
    if (pending !== undefined) this.#pending.set(id, pending);
  }

  settled(id: string): void {
    this.#pending.delete(id);
  }

  forget(id: string): void {
    this.#newer.delete(id);
    this.#older.delete(id);
    this.#pending.delete(id);
  }
}
