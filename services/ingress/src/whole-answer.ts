import { GatewayError, toGatewayError } from '@gateway/protocol';
import type { BudgetShare } from './byte-budget.ts';

/** Answers that are not streamed are collected up to this, so that they go out whole or not at all. */
const WHOLE_ANSWER_BYTES_MAX = 32 * 1024 * 1024;

export interface AnswerRefusal {
  readonly error: GatewayError;
  /** Whether no other attempt could do better. */
  readonly isFinal: boolean;
}

/** An answer that is collected, within the room that its share has. */
export class WholeAnswer implements Disposable {
  readonly #share: BudgetShare;
  #pieces: Uint8Array[] = [];
  #length = 0;
  #refusal: AnswerRefusal | undefined;
  #isHeld = false;

  constructor(share: BudgetShare) {
    this.#share = share;
  }

  get pieces(): readonly Uint8Array[] {
    return this.#pieces;
  }

  /** Why the answer is not kept: it is too large, or there is no room for it. */
  get refusal(): AnswerRefusal | undefined {
    return this.#refusal;
  }

  /** Keeps the bytes, or says in `refusal` why not. */
  add(bytes: Uint8Array): void {
    if (this.#refusal) return;
    this.#length += bytes.length;
    try {
      if (this.#length > WHOLE_ANSWER_BYTES_MAX) throw tooLarge();
      this.#share.growTo(this.#length);
      this.#pieces.push(bytes);
    } catch (thrown) {
      const error = toGatewayError(thrown);
      // Another answer would find no more room, and cost again.
      this.#refusal = { error, isFinal: error.code === 'overloaded' };
    }
  }

  drop(): void {
    this.#pieces = [];
  }

  bytes(): Uint8Array {
    const [first] = this.#pieces;
    // Most come in one piece.
    const isOne = first !== undefined && this.#pieces.length === 1;
    return isOne ? first : Buffer.concat(this.#pieces);
  }

  /** Its room is taken until the client has it. */
  heldUntil(settled: Promise<void>): void {
    this.#isHeld = true;
    void settled.then(() => this.#share.release());
  }

  [Symbol.dispose](): void {
    if (!this.#isHeld) this.#share.release();
  }
}

function tooLarge(): GatewayError {
  return new GatewayError('provider_bad_response', 'The answer of the provider is too large.');
}
