import { InFlightMap } from '@gateway/runtime';

const STORED = Promise.resolve();

/** The ids stored within a window, at most so many: the oldest are forgotten beyond. */
export class RecentIds {
  /** When each was appended, in milliseconds since 1970. */
  readonly #ids = new Map<string, number>();
  /** Of those that are on their way; a promise for each of the others would be most of the memory. */
  readonly #pending = new InFlightMap<string, Promise<void>>();
  /**
   * The same, oldest first, from `#oldest` on. The first of a `Map` is behind the holes of all that were
   * deleted before it, which takes ever longer to find.
   */
  #order: { readonly ids: string[]; readonly at: number[] } = { ids: [], at: [] };
  #oldest = 0;
  readonly #countMax: number;
  readonly #windowMs: number;

  constructor(countMax: number, windowMs: number) {
    this.#countMax = countMax;
    this.#windowMs = windowMs;
  }

  get size(): number {
    return this.#ids.size;
  }

  /** Settles with the first message of this id; undefined when none is known. */
  stored(id: string, now: number): Promise<void> | undefined {
    this.#forgetOld(now);
    if (!this.#ids.has(id)) return undefined;
    return this.#pending.get(id) ?? STORED;
  }

  /** `pending` settles when the message is stored, of which `settled` is told; without, it is there. */
  add(id: string, at: number, pending?: Promise<void>): void {
    this.#ids.set(id, at);
    this.#order.ids.push(id);
    this.#order.at.push(at);
    if (pending !== undefined) this.#pending.set(id, pending);
    this.#forgetOld(at);
  }

  settled(id: string): void {
    this.#pending.delete(id);
  }

  forget(id: string): void {
    this.#ids.delete(id);
    this.#pending.delete(id);
  }

  #forgetOld(now: number): void {
    const { ids, at } = this.#order;
    for (; this.#oldest < ids.length; this.#oldest += 1) {
      const storedAt = at[this.#oldest] as number;
      if (storedAt > now - this.#windowMs && this.#ids.size <= this.#countMax) break;
      const id = ids[this.#oldest] as string;
      // One that was forgotten before its time may have come again.
      if (this.#ids.get(id) === storedAt) this.forget(id);
    }
    if (this.#oldest * 2 <= ids.length) return;
    this.#order = { ids: ids.slice(this.#oldest), at: at.slice(this.#oldest) };
    this.#oldest = 0;
  }
}
