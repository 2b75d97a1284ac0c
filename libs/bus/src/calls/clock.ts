import { InFlight } from '@gateway/runtime';

/**
 * Time for the bus. Every call and every request has timers, nearly all of which are called off, so
 * they share one wheel: setting and calling off are cheap, and one interval runs
 * while any is set. A task runs up to one tick late.
 */
const TICK_MS = 10;

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs the task once, after at least the delay. The result calls it off. */
  after(delayMs: number, task: () => void): () => void;
}

interface Timer {
  readonly task: () => void;
}

class TimerWheel implements Clock {
  readonly #slots = new Map<number, InFlight<Timer>>();
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
    const slot = this.#slotOf(tick);
    const timer = { task };
    const place = slot.add(timer);
    return () => {
      slot.delete(place, timer);
      if (slot.size === 0 && this.#slots.get(tick) === slot) this.#slots.delete(tick);
    };
  }

  #slotOf(tick: number): InFlight<Timer> {
    const present = this.#slots.get(tick);
    if (present !== undefined) return present;
    const slot = new InFlight<Timer>();
    this.#slots.set(tick, slot);
    return slot;
  }

  #run(): void {
    const until = Math.floor(performance.now() / TICK_MS);
    while (this.#lastTick < until) {
      this.#lastTick += 1;
      const slot = this.#slots.get(this.#lastTick);
      if (slot === undefined) continue;
      for (const { task } of slot) task();
      this.#slots.delete(this.#lastTick);
    }
    if (this.#slots.size > 0) return;
    clearInterval(this.#interval);
    this.#interval = undefined;
  }
}

export const systemClock: Clock = new TimerWheel();
