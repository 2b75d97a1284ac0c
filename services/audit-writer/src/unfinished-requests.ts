import type { Entry } from './read-delivery.ts';

/** Events held back; beyond that the oldest are let go. */
export const HELD_MAX = 500;

interface Held {
  readonly entry: Entry;
  readonly untilMs: number;
}

/**
 * Holds events back until the end of their request comes, or their time is up: an ordinary request is
 * then written once, as a whole, instead of once for each batch that has a part of it. What is held is
 * not acknowledged.
 */
export class UnfinishedRequests {
  readonly #holdMs: number;
  #held: readonly Held[] = [];

  constructor(holdMs: number) {
    this.#holdMs = holdMs;
  }

  get isEmpty(): boolean {
    return this.#held.length === 0;
  }

  /** What is to be written now, of these and of those held. The oldest come first. */
  take(entries: readonly Entry[], nowMs: number): readonly Entry[] {
    const untilMs = nowMs + this.#holdMs;
    const all = [...this.#held, ...entries.map((entry) => ({ entry, untilMs }))];
    const ended = new Set<string>();
    for (const { entry } of all) {
      if (entry.state && entry.state.finished !== null) ended.add(entry.state.requestId);
    }
    const due: Entry[] = [];
    const held: Held[] = [];
    for (const one of all) {
      const { state } = one.entry;
      const isDue = state === undefined || ended.has(state.requestId) || one.untilMs <= nowMs;
      if (isDue) due.push(one.entry);
      else held.push(one);
    }
    const tooMany = held.splice(0, Math.max(0, held.length - HELD_MAX)).map(({ entry }) => entry);
    this.#held = held;
    return [...due, ...tooMany];
  }

  /** All that are held. */
  takeAll(): readonly Entry[] {
    const held = this.#held.map(({ entry }) => entry);
    this.#held = [];
    return held;
  }
}
