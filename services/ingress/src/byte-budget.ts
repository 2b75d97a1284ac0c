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
export type Held = 'request' | 'answer';

/**
 * Of the budget, requests may take what is left of a half: the answers of those that run have been
 * paid for, and find room in the other half.
 */
const REQUEST_SHARE = 0.5;

export class ByteBudget {
  readonly #bytesMax: Readonly<Record<Held, number>>;
  #reserved = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = { request: Math.floor(bytesMax * REQUEST_SHARE), answer: bytesMax };
  }

  get reserved(): number {
    return this.#reserved;
  }

  /** Throws `overloaded` when a request of so many bytes would not fit now. Reserves nothing. */
  checkRoom(bytes: number): void {
    if (this.#reserved + bytes > this.#bytesMax.request) throw shed('bytes');
  }

  /** A share of the budget that starts empty. */
  share(held: Held): BudgetShare {
    return new BudgetShare((bytes) => this.#take(bytes, this.#bytesMax[held]));
  }

  #take(bytes: number, bytesMax: number): boolean {
    if (bytes > 0 && this.#reserved + bytes > bytesMax) return false;
    this.#reserved += bytes;
    held.add(bytes);
    return true;
  }
}

/** What one request or answer holds. */
export class BudgetShare {
  readonly #take: (bytes: number) => boolean;
  #bytes = 0;
  #isReleased = false;

  constructor(take: (bytes: number) => boolean) {
    this.#take = take;
  }

  /** Holds this many bytes from now on, if it held fewer. Throws `overloaded` when they do not fit. */
  growTo(bytes: number): void {
    if (this.#isReleased || bytes <= this.#bytes) return;
    if (!this.#take(bytes - this.#bytes)) throw shed('bytes');
    this.#bytes = bytes;
  }

  /** Gives everything back; the share stays empty. May be called again. */
  release(): void {
    if (!this.#isReleased) this.#take(-this.#bytes);
    this.#isReleased = true;
  }
}
