/** A call that ends when its time has come, unless it is over or has put its time off by then. */
export interface DueCall {
  /** On the clock of `performance.now()`. */
  readonly dueAtMs: number;
  /** Its time has come. */
  due(): void;
}

/**
 * One timer for all calls. With timers of their own, of which each phase of a call takes another and
 * a stream takes one for each chunk, a call costs 3 µs and a chunk half a microsecond more. Here a
 * call that puts its time off only writes it down, and the timer looks again when it fires.
 */
export class DueCalls {
  readonly #calls = new Set<DueCall>();
  #timer: NodeJS.Timeout | undefined;
  #wakesAtMs = Number.POSITIVE_INFINITY;

  add(call: DueCall): void {
    this.#calls.add(call);
    this.expect(call);
  }

  delete(call: DueCall): void {
    this.#calls.delete(call);
  }

  /** To be told when the time of a call may have become an earlier one. */
  expect({ dueAtMs }: DueCall): void {
    if (dueAtMs < this.#wakesAtMs) this.#wakeAt(dueAtMs);
  }

  #wakeAt(dueAtMs: number): void {
    clearTimeout(this.#timer);
    this.#wakesAtMs = dueAtMs;
    this.#timer = setTimeout(this.#wake, Math.max(1, Math.ceil(dueAtMs - performance.now())));
    // What a call waits for, a socket, keeps the process alive.
    this.#timer.unref();
  }

  readonly #wake = () => {
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const call of this.#calls) {
      if (call.dueAtMs <= nowMs) call.due();
      else nextMs = Math.min(nextMs, call.dueAtMs);
    }
    if (nextMs < this.#wakesAtMs) this.#wakeAt(nextMs);
  };
}
