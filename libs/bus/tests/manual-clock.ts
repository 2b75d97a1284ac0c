import type { Clock } from '../src/calls/clock.ts';

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  readonly #tasks = new Map<() => void, number>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, task: () => void): () => void {
    const entry = () => task();
    this.#tasks.set(entry, this.#now + delayMs);
    return () => this.#tasks.delete(entry);
  }

  /** Runs what is due by then, in the order of its time, and what that makes due. */
  advance(durationMs: number): void {
    this.#now += durationMs;
    for (;;) {
      const due = [...this.#tasks].filter(([, at]) => at <= this.#now);
      const [first] = due.sort(([, left], [, right]) => left - right);
      if (!first) return;
      this.#tasks.delete(first[0]);
      first[0]();
    }
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#tasks.size;
  }
}
