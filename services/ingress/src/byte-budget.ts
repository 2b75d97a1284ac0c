/**
 * The bytes of requests and answers that the process may hold at once. What would exceed them is
 * refused before it is read, so that memory is bounded by a setting and not by the clients.
 */
import { getMeter } from '@gateway/telemetry';
import { shed } from './shed.ts';

const held = getMeter('ingress').createUpDownCounter('gateway.ingress.buffered_bytes', {
  unit: 'By',
  description: 'Bytes of requests and whole answers that are reserved',
});

/** What the bytes are of. */
type Held = 'request' | 'answer';

/**
 * Of the budget, requests may take what is left of a half: the answers of those that run have been
 * paid for, and find room in the other half.
 */
const REQUEST_SHARE = 0.5;

/** Of what requests may take, the part that those of one key may, if it holds a whole body. */
const KEY_SHARE = 0.25;

export class ByteBudget {
  readonly #bytesMax: Readonly<Record<Held, number>>;
  readonly #keyBytesMax: number;
  readonly #byKey = new Map<string, number>();
  #reserved = 0;

  /** `bodyBytesMax` is the largest body there may be: any key may always send one, given room. */
  constructor(bytesMax: number, bodyBytesMax: number) {
    const requestBytesMax = Math.floor(bytesMax * REQUEST_SHARE);
    this.#bytesMax = { request: requestBytesMax, answer: bytesMax };
    this.#keyBytesMax = Math.max(bodyBytesMax, Math.floor(requestBytesMax * KEY_SHARE));
  }

  get reserved(): number {
    return this.#reserved;
  }

  /** Keys whose requests hold something. */
  get keys(): number {
    return this.#byKey.size;
  }

  /** Throws `overloaded` when a request of so many bytes would not fit now. Reserves nothing. */
  checkRoom(bytes: number): void {
    if (this.#reserved + bytes > this.#bytesMax.request) throw shed('bytes');
  }

  /** A share of the budget that starts empty, for the body of a request with this key. */
  requestShare(keyId: string): BudgetShare {
    return new BudgetShare((bytes) => {
      const ofKey = (this.#byKey.get(keyId) ?? 0) + bytes;
      if (bytes > 0 && ofKey > this.#keyBytesMax) throw shed('key_bytes');
      this.#take(bytes, 'request');
      if (ofKey > 0) this.#byKey.set(keyId, ofKey);
      else this.#byKey.delete(keyId);
    });
  }

  /** A share of the budget that starts empty, for an answer that is collected whole. */
  answerShare(): BudgetShare {
    return new BudgetShare((bytes) => this.#take(bytes, 'answer'));
  }

  #take(bytes: number, purpose: Held): void {
    if (bytes > 0 && this.#reserved + bytes > this.#bytesMax[purpose]) throw shed('bytes');
    this.#reserved += bytes;
    held.add(bytes);
  }
}

/** What one request or answer holds. */
export class BudgetShare {
  readonly #take: (bytes: number) => void;
  #bytes = 0;
  #isReleased = false;

  constructor(take: (bytes: number) => void) {
    this.#take = take;
  }

  /** Holds this many bytes from now on, if it held fewer. Throws `overloaded` when they do not fit. */
  growTo(bytes: number): void {
    if (this.#isReleased || bytes <= this.#bytes) return;
    this.#take(bytes - this.#bytes);
    this.#bytes = bytes;
  }

  /** Gives everything back; the share stays empty. May be called again. */
  release(): void {
    if (!this.#isReleased) this.#take(-this.#bytes);
    this.#isReleased = true;
  }
}
