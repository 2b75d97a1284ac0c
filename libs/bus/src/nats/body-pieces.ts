/**
 * Large request bodies: the caller keeps them, and the worker that took the call pulls them in
 * pieces, so a body crosses the bus once however often the call was handed on.
 */
import { GatewayError, subjects } from '@gateway/protocol';
import type { Msg } from '@nats-io/transport-node';
import { z } from 'zod';
import { BODY_PIECE_BYTES, BODY_PIECES_IN_FLIGHT } from '../bus.ts';
import { decodeJson, encodeJson } from '../calls/call-messages.ts';
import { errorInReply, respondWithError } from './message-format.ts';
import type { RequestMux } from './request-mux.ts';

/** Until a piece counts as lost. */
const PIECE_TIMEOUT_MS = 5_000;

/** The rate below which the bus counts as unusable for large bodies. */
const PULL_BYTES_PER_SECOND_MIN = 1024 * 1024;

/** How long a worker may take to pull a body before it accepts its call. */
export function pullTimeMaxMs(bodyBytes: number): number {
  return Math.ceil((1_000 * bodyBytes) / PULL_BYTES_PER_SECOND_MIN);
}

const pieceRequest = z.object({
  requestId: z.string(),
  attempt: z.number().int(),
  offset: z.number().int().nonnegative(),
});

export interface BodyAddress {
  readonly caller: string;
  readonly requestId: string;
  readonly attempt: number;
  readonly bodyBytes: number;
}

/** Answers for one piece out of the body that `find` gives for a call. */
export function answerPiece(
  message: Msg,
  find: (requestId: string, attempt: number) => Uint8Array | undefined,
): void {
  const { requestId, attempt, offset } = decodeJson(pieceRequest, message.data);
  const body = find(requestId, attempt);
  if (body === undefined) {
    respondWithError(message, new GatewayError('client_closed', 'The request is over.'));
    return;
  }
  message.respond(body.subarray(offset, offset + BODY_PIECE_BYTES));
}

/** The whole body, or a rejection with what kept a piece from coming. */
export async function pullBody(
  mux: RequestMux,
  { caller, requestId, attempt, bodyBytes }: BodyAddress,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const body = Buffer.allocUnsafe(bodyBytes);
  let nextOffset = 0;
  const pullSome = async () => {
    while (nextOffset < bodyBytes) {
      const offset = nextOffset;
      nextOffset += BODY_PIECE_BYTES;
      const reply = await mux.request({
        subject: subjects.body(caller),
        payload: encodeJson({ requestId, attempt, offset } satisfies z.infer<typeof pieceRequest>),
        timeoutMs: PIECE_TIMEOUT_MS,
        signal,
      });
      const error = errorInReply(reply);
      if (error !== undefined) throw error;
      if (reply.data.length !== Math.min(BODY_PIECE_BYTES, bodyBytes - offset)) {
        throw new GatewayError('internal', 'The request body was not readable.', {
          detail: `a piece of ${reply.data.length} bytes at ${offset} of ${bodyBytes}`,
        });
      }
      body.set(reply.data, offset);
    }
  };
  try {
    await Promise.all(Array.from({ length: BODY_PIECES_IN_FLIGHT }, pullSome));
  } catch (error) {
    // The other pulls stop after the piece they wait for.
    nextOffset = bodyBytes;
    if (!(error instanceof GatewayError) || error.code !== 'no_responders') throw error;
    throw new GatewayError('client_closed', 'The caller of this request is gone.');
  }
  return body;
}
