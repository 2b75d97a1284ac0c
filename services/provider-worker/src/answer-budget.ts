import { GatewayError } from '@gateway/protocol';

/** Of all answers together that are read whole before their first byte goes to the caller. */
export const HELD_ANSWERS_BYTES_MAX = 256 * 1024 * 1024;

/** What one answer holds, from its first byte until it has been passed on. */
export interface AnswerHold extends Disposable {
  /** Throws `overloaded` when so many bytes more do not fit now. */
  add(bytes: number): void;
}

/** The memory for whole answers: one may be large, many large ones at once may not. */
export class AnswerBudget {
  readonly #bytesMax: number;
  #held = 0;

  constructor(bytesMax: number = HELD_ANSWERS_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  get held(): number {
    return this.#held;
  }

  hold(): AnswerHold {
    return new Hold(this);
  }

  /** Throws `overloaded` where they do not fit. */
  take(bytes: number): void {
    if (this.#held + bytes > this.#bytesMax) {
      throw new GatewayError('overloaded', 'Too many large answers are being read.', {
        detail: `${this.#held} of ${this.#bytesMax} bytes are held, ${bytes} do not fit`,
      });
    }
    this.#held += bytes;
  }

  giveBack(bytes: number): void {
    this.#held -= bytes;
  }
}

class Hold implements AnswerHold {
  readonly #budget: AnswerBudget;
  #own = 0;

  constructor(budget: AnswerBudget) {
    this.#budget = budget;
  }

  add(bytes: number): void {
    this.#budget.take(bytes);
    this.#own += bytes;
  }

  [Symbol.dispose](): void {
    this.#budget.giveBack(this.#own);
    this.#own = 0;
  }
}
