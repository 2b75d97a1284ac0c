/**
 * The request of a call, without NATS headers: writing, reading and checking them took as long as all
 * else of the opening (measured). What the transport says of the call is beside its value. Requests of
 * one turn for one endpoint are one message.
 */
import { exactOr, fieldsOf, hasFields, isText, isWhole, present } from '@gateway/protocol';
import { z } from 'zod';
import type { Message } from '../bus.ts';
import type { CallOpening } from '../calls/call-messages.ts';
import type { Carrier } from '../trace-context.ts';
import { decodePack, type PackedMessage, packedMessage } from './message-packs.ts';

const callRequest = z.object({
  opening: z.object({
    requestId: z.string(),
    attempt: z.number().int().positive(),
    deadlineAt: z.number(),
    acceptBy: z.number(),
    windowBytes: z.number().int().positive(),
    caller: z.string(),
    handBacks: z.number().int().nonnegative(),
  }),
  /** Of the whole body, which may be left with the caller. */
  bodyBytes: z.number().int().nonnegative(),
  /** Trace context of the caller, where there is one. */
  trace: z.record(z.string(), z.string()).optional(),
  /** Checked by the endpoint's schema when there is room for the call. */
  value: z.unknown(),
});

export interface CallRequest {
  readonly opening: CallOpening;
  readonly bodyBytes: number;
  readonly trace?: Carrier | undefined;
  readonly value: unknown;
}

const check = exactOr<CallRequest>(isCallRequest, callRequest);

/** Of what `exactOr` promises, all but the trace, which few calls have. */
function isCallRequest(value: unknown): boolean {
  const fields = fieldsOf(value);
  return (
    isOpening(fields.opening) &&
    isWhole(fields.bodyBytes, 0) &&
    fields.trace === undefined &&
    hasFields(value, 2 + present(fields.value))
  );
}

function isOpening(value: unknown): boolean {
  const fields = fieldsOf(value);
  return (
    isText(fields.requestId) &&
    isWhole(fields.attempt, 1) &&
    isWhole(fields.deadlineAt, 0) &&
    isWhole(fields.acceptBy, 0) &&
    isWhole(fields.windowBytes, 1) &&
    isText(fields.caller) &&
    isWhole(fields.handBacks, 0) &&
    hasFields(value, 7)
  );
}

/** Throws `internal` where they are too large for a message. */
export function packCallRequest(request: CallRequest, body: Uint8Array | undefined): PackedMessage {
  return packedMessage(body === undefined ? { value: request } : { value: request, body });
}

export interface ReceivedCallRequest {
  readonly request: CallRequest;
  /** Undefined when it is empty, or left with the caller. */
  readonly body: Uint8Array | undefined;
}

/** Unchecked, in their order. Throws when the bytes are no pack of requests. */
export function decodeCallRequests(bytes: Uint8Array): readonly Message<unknown>[] {
  return decodePack(bytes, 0);
}

/** Throws when it is no request of a call. */
export function checkCallRequest({ value, body }: Message<unknown>): ReceivedCallRequest {
  return { request: check.parse(value), body };
}
