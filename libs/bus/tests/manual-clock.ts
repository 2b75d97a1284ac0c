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

  /** Runs what is due by then, in the order of its time. */
  advance(durationMs: number): void {
    this.#now += durationMs;
    for (const [task, at] of [...this.#tasks].sort(([, left], [, right]) => left - right)) {
      if (at <= this.#now && this.#tasks.delete(task)) task();
    }
  }

  /** Timers that are set. */
  get pending(): number {
    return this.#tasks.size;
  }
}
