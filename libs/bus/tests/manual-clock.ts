import type { Clock, Timer } from '../src/calls/clock.ts';

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  readonly #tasks = new Map<() => void, number>();
  readonly #timers = new Map<Timer, () => void>();

  now(): number {
    return this.#now;
  }

  after(delayMs: number, task: () => void): () => void {
    const entry = () => task();
    this.#tasks.set(entry, this.#now + delayMs);
    return () => this.#tasks.delete(entry);
  }

  start(timer: Timer, delayMs: number): void {
    this.stop(timer);
    timer.dueAtMs = this.#now + delayMs;
    this.#timers.set(
      timer,
      this.after(delayMs, () => timer.due()),
    );
  }

  stop(timer: Timer): void {
    this.#timers.get(timer)?.();
    this.#timers.delete(timer);
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
