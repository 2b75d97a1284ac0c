/** Reads the body of a request into memory, within every bound that a body has. */
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '@gateway/protocol';
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

/**
 * Throws `request_too_large`, `request_timeout` for a body that comes too slowly, `overloaded` when the
 * share cannot grow with it, and `client_closed` when the connection ends before it.
 */
export async function readBody(
  request: IncomingMessage,
  share: BudgetShare,
  bounds: BodyBounds,
): Promise<Buffer> {
  const body = Promise.withResolvers<Buffer>();
  const pieces: Buffer[] = [];
  let bytes = 0;
  const take = (piece: Buffer) => {
    bytes += piece.length;
    try {
      if (bytes > bounds.bytesMax) throw bodyTooLarge();
      share.growTo(bytes);
      pieces.push(piece);
    } catch (error) {
      body.reject(error);
    }
  };
  const end = () => body.resolve(Buffer.concat(pieces, bytes));
  const broken = () => {
    // Whole requests close too.
    if (request.readableEnded) return;
    body.reject(new GatewayError('client_closed', 'The client closed the connection.'));
  };
  const stopWatching = watchPace(() => bytes, bounds, body.reject);
  request.on('data', take).on('end', end).on('error', broken).on('close', broken);
  try {
    return await body.promise;
  } finally {
    stopWatching();
    request.off('data', take).off('end', end).off('error', broken).off('close', broken);
  }
}

/** Calls `tooSlow` once too little has come in an interval, or the whole takes too long. */
function watchPace(
  bytesSoFar: () => number,
  { timeoutMs = TIMEOUT_MS, intervalMs = INTERVAL_MS, ...bounds }: BodyBounds,
  tooSlow: (error: GatewayError) => void,
): () => void {
  const { bytesPerIntervalMin = BYTES_PER_INTERVAL_MIN } = bounds;
  const startedAtMs = performance.now();
  let bytesBefore = 0;
  const interval = setInterval(() => {
    const isInTime = performance.now() - startedAtMs < timeoutMs;
    const isFastEnough = bytesSoFar() - bytesBefore >= bytesPerIntervalMin;
    bytesBefore = bytesSoFar();
    if (isInTime && isFastEnough) return;
    tooSlow(new GatewayError('request_timeout', 'The request took too long to arrive.'));
  }, intervalMs);
  return () => clearInterval(interval);
}
