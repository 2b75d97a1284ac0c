/**
 * Time for the bus. Every call and every request has timers, nearly all of which are called off, so
 * they share one wheel: setting and calling off are a map operation each, and one interval runs
 * while any is set. A task runs up to one tick late.
 */
const TICK_MS = 10;

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs the task once, after at least the delay. The result calls it off. */
  after(delayMs: number, task: () => void): () => void;
}

class TimerWheel implements Clock {
  readonly #slots = new Map<number, Set<() => void>>();
  #interval: NodeJS.Timeout | undefined;
  #lastTick = 0;

  now(): number {
    return Date.now();
  }

  after(delayMs: number, task: () => void): () => void {
    const now = performance.now();
    if (this.#interval === undefined) {
      this.#lastTick = Math.floor(now / TICK_MS);
      this.#interval = setInterval(() => this.#run(), TICK_MS);
    }
    const tick = Math.max(Math.ceil((now + delayMs) / TICK_MS), this.#lastTick + 1);
    // A task set twice must be two entries.
    const entry = () => task();
    const slot = this.#slots.get(tick);
    if (slot === undefined) this.#slots.set(tick, new Set([entry]));
    else slot.add(entry);
    return () => this.#callOff(tick, entry);
  }

  #callOff(tick: number, entry: () => void): void {
    const slot = this.#slots.get(tick);
    if (slot?.delete(entry) && slot.size === 0) this.#slots.delete(tick);
  }

  #run(): void {
    const until = Math.floor(performance.now() / TICK_MS);
    while (this.#lastTick < until) {
      this.#lastTick += 1;
      const slot = this.#slots.get(this.#lastTick);
      if (slot === undefined) continue;
      for (const entry of slot) {
        slot.delete(entry);
        entry();
      }
      this.#slots.delete(this.#lastTick);
    }
    if (this.#slots.size > 0) return;
    clearInterval(this.#interval);
    this.#interval = undefined;
  }
}

export const systemClock: Clock = new TimerWheel();
