/** Reads the body of a request into memory, within every bound that a body has. */
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '@gateway/protocol';
import { type Due, DueList } from '@gateway/runtime';
import { bodyTooLarge } from './admit.ts';
import type { BudgetShare } from './byte-budget.ts';

/** A body that is longer on its way is refused. */
const TIMEOUT_MS = 60_000;
/** In each interval the client must send this much. */
const INTERVAL_MS = 10_000;
const BYTES_PER_INTERVAL_MIN = 10 * 1024;

export interface BodyBounds {
  readonly bytesMax: number;
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
  readonly bytesPerIntervalMin?: number;
}

/** How late a body may be found to come too slowly. */
const LATE_MS_MAX = 10;

const bodies = new DueList(LATE_MS_MAX);

/**
 * Throws `request_too_large`, `request_timeout` for a body that comes too slowly, `overloaded` when the
 * share cannot grow with it, and `client_closed` when the connection ends before it.
 */
export function readBody(
  request: IncomingMessage,
  share: BudgetShare,
  bounds: BodyBounds,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const body = new IncomingBody(share, bounds, resolve, reject);
    bodies.add(body);
    request.on('data', (piece: Buffer) => body.take(piece));
    request.on('end', () => body.end());
    // A request that breaks closes without an error where nobody listens for one.
    request.on('close', () => body.close());
  });
}

/** A body on its way. Its listeners stay with the request, so it keeps nothing once it is over. */
class IncomingBody implements Due {
  readonly #share: BudgetShare;
  readonly #bounds: BodyBounds;
  readonly #resolve: (body: Buffer) => void;
  readonly #reject: (error: unknown) => void;
  readonly #startedAtMs = performance.now();
  duePlace = -1;
  #isOver = false;
  #pieces: Buffer[] = [];
  #bytes = 0;
  #bytesBefore = 0;
  /** When too little may have come in an interval. */
  #dueAtMs: number;

  constructor(
    share: BudgetShare,
    bounds: BodyBounds,
    resolve: (body: Buffer) => void,
    reject: (error: unknown) => void,
  ) {
    this.#share = share;
    this.#bounds = bounds;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#dueAtMs = this.#startedAtMs + (bounds.intervalMs ?? INTERVAL_MS);
  }

  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  take(piece: Buffer): void {
    if (this.#isOver) return;
    this.#bytes += piece.length;
    try {
      if (this.#bytes > this.#bounds.bytesMax) throw bodyTooLarge();
      this.#share.growTo(this.#bytes);
      this.#pieces.push(piece);
    } catch (error) {
      this.#fail(error);
    }
  }

  end(): void {
    if (this.#isOver) return;
    const [first] = this.#pieces;
    // Most come in one piece, behind their headers.
    const isOne = first !== undefined && this.#pieces.length === 1;
    this.#resolve(isOne ? first : Buffer.concat(this.#pieces, this.#bytes));
    this.#forget();
  }

  /** Whole ones close too. */
  close(): void {
    if (this.#isOver) return;
    this.#fail(new GatewayError('client_closed', 'The client closed the connection.'));
  }

  /** Fails it once too little has come in an interval, or the whole takes too long. */
  due(): void {
    const { timeoutMs = TIMEOUT_MS, intervalMs = INTERVAL_MS } = this.#bounds;
    const { bytesPerIntervalMin = BYTES_PER_INTERVAL_MIN } = this.#bounds;
    const nowMs = performance.now();
    const isInTime = nowMs - this.#startedAtMs < timeoutMs;
    const isFastEnough = this.#bytes - this.#bytesBefore >= bytesPerIntervalMin;
    this.#bytesBefore = this.#bytes;
    this.#dueAtMs = nowMs + intervalMs;
    if (isInTime && isFastEnough) return;
    this.#fail(new GatewayError('request_timeout', 'The request took too long to arrive.'));
  }

  #fail(error: unknown): void {
    this.#reject(error);
    this.#forget();
  }

  #forget(): void {
    this.#isOver = true;
    this.#pieces = [];
    bodies.delete(this);
  }
}
