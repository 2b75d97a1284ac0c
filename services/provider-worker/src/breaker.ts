/**
 * Keeps calls from a provider that fails. Pure: the time is given, in milliseconds of any clock that
 * does not go back.
 *
 * Closed, every call goes. After `FAILURES_MAX` failures in a row it is open and refuses, for a second
 * at first, twice as long after each failed trial, half a minute at most. Then one call goes as a trial:
 * its success closes the breaker, its failure opens it again.
 */
export const FAILURES_MAX = 5;
export const OPEN_MIN_MS = 1_000;
export const OPEN_MAX_MS = 30_000;
/** A trial that says nothing for so long is not waited for: another one goes. */
export const TRIAL_MAX_MS = 30_000;

export type CallResult = 'success' | 'failure' | 'neither';

/** Leave to make one call. Its result is told once; telling it again does nothing. */
export interface Passage {
  /** True while the breaker is not closed: the sooner its result is told, the sooner others go. */
  readonly isTrial: boolean;
  tell(result: CallResult, nowMs: number): void;
}

type State =
  | { readonly name: 'closed'; readonly failures: number }
  | { readonly name: 'open'; readonly untilMs: number; readonly forMs: number }
  | { readonly name: 'trying'; readonly untilMs: number; readonly forMs: number };

export class Breaker {
  #state: State = { name: 'closed', failures: 0 };
  /** Results of calls that began before the last change of state say nothing of the new one. */
  #era = 0;

  get isClosed(): boolean {
    return this.#state.name === 'closed';
  }

  /** Closed without a failure: as if it had just been made. */
  get isFresh(): boolean {
    return this.#state.name === 'closed' && this.#state.failures === 0;
  }

  /** A refused call is told for how many milliseconds. */
  pass(nowMs: number): Passage | { readonly refusedForMs: number } {
    const state = this.#state;
    if (state.name === 'closed') return this.#passage(false);
    if (nowMs < state.untilMs) return { refusedForMs: state.untilMs - nowMs };
    this.#enter({ name: 'trying', untilMs: nowMs + TRIAL_MAX_MS, forMs: state.forMs });
    return this.#passage(true);
  }

  /** Of a call that began in this era. */
  tell(era: number, result: CallResult, nowMs: number): void {
    if (era === this.#era) this.#told(result, nowMs);
  }

  #passage(isTrial: boolean): Passage {
    return new OnePassage(this, this.#era, isTrial);
  }

  #told(result: CallResult, nowMs: number): void {
    const state = this.#state;
    if (result === 'neither') {
      if (state.name === 'trying') this.#open(nowMs, 0, state.forMs);
    } else if (result === 'success') {
      if (state.name !== 'closed') this.#enter({ name: 'closed', failures: 0 });
      else if (state.failures > 0) this.#state = { name: 'closed', failures: 0 };
    } else if (state.name !== 'closed') {
      const forMs = Math.min(state.forMs * 2, OPEN_MAX_MS);
      this.#open(nowMs, forMs, forMs);
    } else if (state.failures + 1 < FAILURES_MAX) {
      this.#state = { name: 'closed', failures: state.failures + 1 };
    } else {
      this.#open(nowMs, OPEN_MIN_MS, OPEN_MIN_MS);
    }
  }

  /** `forMs` is what the next failure doubles. */
  #open(nowMs: number, waitMs: number, forMs: number): void {
    this.#enter({ name: 'open', untilMs: nowMs + waitMs, forMs });
  }

  #enter(state: State): void {
    this.#state = state;
    this.#era += 1;
  }
}

class OnePassage implements Passage {
  readonly isTrial: boolean;
  readonly #breaker: Breaker;
  readonly #era: number;
  #isTold = false;

  constructor(breaker: Breaker, era: number, isTrial: boolean) {
    this.#breaker = breaker;
    this.#era = era;
    this.isTrial = isTrial;
  }

  tell(result: CallResult, nowMs: number): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#breaker.tell(this.#era, result, nowMs);
  }
}
