interface RecentId {
  readonly at: number;
  readonly stored: Promise<void>;
}

/** The ids stored within a window, oldest first, at most so many: the oldest are forgotten beyond. */
export class RecentIds {
  readonly #ids = new Map<string, RecentId>();
  readonly #countMax: number;
  readonly #windowMs: number;

  constructor(countMax: number, windowMs: number) {
    this.#countMax = countMax;
    this.#windowMs = windowMs;
  }

  /** Settles with the first message of this id; undefined when none is known. */
  stored(id: string, now: number): Promise<void> | undefined {
    this.#forgetOld(now);
    return this.#ids.get(id)?.stored;
  }

  add(id: string, at: number, stored: Promise<void>): void {
    this.#ids.set(id, { at, stored });
    if (this.#ids.size > this.#countMax) this.#forgetOld(at);
  }

  forget(id: string): void {
    this.#ids.delete(id);
  }

  #forgetOld(now: number): void {
    for (const [id, { at }] of this.#ids) {
      if (this.#ids.size <= this.#countMax && at > now - this.#windowMs) return;
      this.#ids.delete(id);
    }
  }
}
