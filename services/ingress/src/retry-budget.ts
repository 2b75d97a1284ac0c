/**
 * How many requests of one ingress may be repeating an attempt at the same time: for five in flight
 * that repeat nothing, one that does. A provider that fails for all of them is then asked a fifth
 * more often than there are requests, rather than twice as often.
 */

/** In flight for each one that repeats, itself included. */
const REQUESTS_PER_REPETITION = 6;
/** Always allowed, so that a quiet gateway repeats as well. */
const REPETITIONS_MIN = 3;

export class RetryBudget {
  #inFlight = 0;
  #repeating = 0;
  /** One for all, which only counts down. */
  readonly #entered: Disposable = {
    [Symbol.dispose]: () => {
      this.#inFlight -= 1;
    },
  };

  /** Counts a request that may come to need a repetition, until it is disposed of, once. */
  enter(): Disposable {
    this.#inFlight += 1;
    return this.#entered;
  }

  /** Room for one repetition until it is disposed of; undefined when there is none. */
  take(): Disposable | undefined {
    const repeating = this.#repeating + 1;
    const isAffordable = repeating * REQUESTS_PER_REPETITION <= this.#inFlight;
    if (!isAffordable && repeating > REPETITIONS_MIN) return undefined;
    this.#repeating = repeating;
    return {
      [Symbol.dispose]: () => {
        this.#repeating -= 1;
      },
    };
  }
}
