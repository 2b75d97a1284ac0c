import { type Due, DueList, InFlight } from '@gateway/runtime';

/**
 * Time for the bus. Every call and every request has a timer, nearly all of which are stopped, so they
 * are in one list that is looked through when the first is due. Tasks share one wheel: setting and calling
 * off are cheap, and one interval runs while any is set. Both are up to one tick late.
 */
const TICK_MS = 10;

/**
 * Something with a time of its own. It is started, put off and stopped without an object for each time,
 * and when its time has come it stops itself, or starts again.
 */
export interface Timer extends Due {
  /** The clock's alone. */
  dueAtMs: number;
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs the task once, after at least the delay. The result calls it off. */
  after(delayMs: number, task: () => void): () => void;
  /** The timer is due after at least the delay, whatever it was started with before. */
  start(timer: Timer, delayMs: number): void;
  /** Does nothing where it does not run. */
  stop(timer: Timer): void;
}

interface Task {
  readonly run: () => void;
}

class TimerWheel implements Clock {
  readonly #slots = new Map<number, InFlight<Task>>();
  readonly #timers = new DueList(TICK_MS);
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
    const waiting = { run: task };
    const place = slot.add(waiting);
    return () => {
      slot.delete(place, waiting);
      if (slot.size === 0 && this.#slots.get(tick) === slot) this.#slots.delete(tick);
    };
  }

  start(timer: Timer, delayMs: number): void {
    timer.dueAtMs = performance.now() + delayMs;
    this.#timers.add(timer);
  }

  stop(timer: Timer): void {
    this.#timers.delete(timer);
  }

  #slotOf(tick: number): InFlight<Task> {
    const present = this.#slots.get(tick);
    if (present !== undefined) return present;
    const slot = new InFlight<Task>();
    this.#slots.set(tick, slot);
    return slot;
  }

  #run(): void {
    const until = Math.floor(performance.now() / TICK_MS);
    while (this.#lastTick < until) {
      this.#lastTick += 1;
      const slot = this.#slots.get(this.#lastTick);
      if (slot === undefined) continue;
      for (const { run } of slot) run();
      this.#slots.delete(this.#lastTick);
    }
    if (this.#slots.size > 0) return;
    clearInterval(this.#interval);
    this.#interval = undefined;
  }
}

export const systemClock: Clock = new TimerWheel();
