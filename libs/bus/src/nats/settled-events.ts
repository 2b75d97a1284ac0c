/**
 * Of messages that are delivered again for one of their events, those events that were settled: written
 * again they would change nothing, but one in quarantine would be there again. Another reader, which
 * knows nothing of them, settles them again.
 */

/** The oldest are forgotten beyond. */
export const MESSAGES_REMEMBERED_MAX = 1_000;

export class SettledEvents {
  /** Places in the message, by its key. */
  readonly #places = new Map<string, Set<number>>();

  remember(key: string, places: Set<number>): void {
    this.#places.set(key, places);
    if (this.#places.size <= MESSAGES_REMEMBERED_MAX) return;
    const [oldest] = this.#places.keys();
    if (oldest !== undefined) this.#places.delete(oldest);
  }

  /** Nothing was delivered again, as is usual. */
  get isEmpty(): boolean {
    return this.#places.size === 0;
  }

  /** Those of a message, which are forgotten here. */
  take(key: string): Set<number> {
    const places = this.#places.get(key) ?? new Set();
    this.#places.delete(key);
    return places;
  }
}
