import { InFlight } from './in-flight.ts';

/** Something that happens when its time has come, unless it is over or has put its time off by then. */
export interface Due {
  /** On the clock of `performance.now()`. */
  readonly dueAtMs: number;
  /** The list's alone: where it is in the list, or was; -1 before. */
  duePlace: number;
  /** Its time has come. It leaves the list, or puts its time off. */
  due(): void;
}

/**
 * One timer for all that is due some time. With timers of its own, of which each phase takes another
 * and a stream takes one for each chunk, a call costs 3 µs and a chunk half a microsecond more. Here
 * what puts its time off only writes it down, and the timer looks again when it fires.
 */
export class DueList {
  readonly #list = new InFlight<Due>();
  readonly #resolutionMs: number;
  #timer: NodeJS.Timeout | undefined;
  #wakesAtMs = Number.POSITIVE_INFINITY;

  /**
   * The list is looked through at most once in `resolutionMs`, so what is due may be late by as much:
   * every look takes as long as the list.
   */
  constructor(resolutionMs = 1) {
    this.#resolutionMs = resolutionMs;
  }

  /** Adds it where it is not there yet. */
  add(due: Due): void {
    if (this.#list.at(due.duePlace) !== due) due.duePlace = this.#list.add(due);
    this.expect(due);
  }

  delete(due: Due): void {
    this.#list.delete(due.duePlace, due);
  }

  /** To be told when something may have become due earlier. */
  expect({ dueAtMs }: Due): void {
    if (dueAtMs < this.#wakesAtMs) this.#wakeAt(dueAtMs);
  }

  #wakeAt(dueAtMs: number): void {
    clearTimeout(this.#timer);
    const waitMs = Math.max(this.#resolutionMs, Math.ceil(dueAtMs - performance.now()));
    this.#wakesAtMs = dueAtMs;
    // What is waited for, a socket, keeps the process alive.
    this.#timer = setTimeout(this.#wake, waitMs).unref();
  }

  readonly #wake = () => {
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const due of this.#list) {
      if (due.dueAtMs <= nowMs) {
        due.due();
        if (this.#list.at(due.duePlace) !== due) continue;
      }
      nextMs = Math.min(nextMs, due.dueAtMs);
    }
    if (nextMs < this.#wakesAtMs) this.#wakeAt(nextMs);
  };
}
