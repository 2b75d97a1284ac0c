interface Entry<Value> {
  readonly key: string;
  readonly value: Value;
  readonly endMs: number;
  next: Entry<Value> | undefined;
}

/**
 * Values that end in the order in which they were added. The order is a chain of its own: the first
 * of a `Map` is behind the holes of all that were deleted before it, which takes ever longer to find.
 */
export class ExpiringMap<Value> {
  readonly #entries = new Map<string, Entry<Value>>();
  #oldest: Entry<Value> | undefined;
  #newest: Entry<Value> | undefined;

  get size(): number {
    return this.#entries.size;
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  get(key: string): Value | undefined {
    return this.#entries.get(key)?.value;
  }

  /** Keeps a key that is not there yet until a moment that is not before that of any other. */
  add(key: string, value: Value, endMs: number): void {
    const entry: Entry<Value> = { key, value, endMs, next: undefined };
    this.#entries.set(key, entry);
    if (this.#newest === undefined) this.#oldest = entry;
    else this.#newest.next = entry;
    this.#newest = entry;
  }

  /** Drops what has ended. */
  drop(nowMs: number): void {
    while (this.#oldest !== undefined && this.#oldest.endMs <= nowMs) this.dropOldest();
  }

  dropOldest(): void {
    const oldest = this.#oldest;
    if (oldest === undefined) return;
    this.#entries.delete(oldest.key);
    this.#oldest = oldest.next;
    if (oldest.next === undefined) this.#newest = undefined;
    // One that lies in the old generation would keep all that follow there until that is collected.
    oldest.next = undefined;
  }

  clear(): void {
    this.#entries.clear();
    this.#oldest = undefined;
    this.#newest = undefined;
  }
}
