/** What an id was stored with, which many ids may share. */
export interface RecentWrite {
  /** When it began, in milliseconds since 1970. */
  readonly at: number;
}

/**
 * The ids stored within a window, of many at least the last half of the bound. They are in two
 * generations of which the older is dropped whole: to find and to delete each one when its time has come
 * costs more than all else that is done with it.
 */
export class RecentIds<Write extends RecentWrite> {
  #newer = new Map<string, Write>();
  #older = new Map<string, Write>();
  /** When the newer generation began. */
  #since = Number.NEGATIVE_INFINITY;
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

  /** The write with the first message of this id; undefined when none is known. */
  find(id: string, now: number): Write | undefined {
    const write = this.#newer.get(id) ?? this.#older.get(id);
    return write === undefined || write.at <= now - this.#windowMs ? undefined : write;
  }

  add(id: string, write: Write): void {
    const { at } = write;
    if (this.#newer.size >= this.#generationMax || at - this.#since >= this.#windowMs) {
      this.#older = this.#newer;
      this.#newer = new Map();
      this.#since = at;
    }
    this.#newer.set(id, write);
  }

  forget(id: string): void {
    this.#newer.delete(id);
    this.#older.delete(id);
  }
}
