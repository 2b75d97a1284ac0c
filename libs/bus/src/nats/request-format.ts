/**
 * A request on NATS: a version, until when and for how long somebody waits for the reply, and the
 * message. In NATS headers these two took longer than all else of a small request.
 */
import type { Check } from '@gateway/protocol';
import type { Message } from '../bus.ts';
import { decodeMessage, encodeMessage } from './message-format.ts';

/** Of this format, so that a service knows a request that it cannot read. */
const VERSION = 1;
const DEADLINE_AT = 1;
const TIMEOUT_AT = 9;
const PREFIX_BYTES = 17;

/**
 * `deadlineAt`: milliseconds since 1970, compared by the receiver's clock. `timeoutMs` is compared
 * with one clock alone. Throws `internal` where the message is too large.
 */
export function encodeRequest(
  message: Message<unknown>,
  deadlineAt: number,
  timeoutMs: number,
): Uint8Array {
  const bytes = encodeMessage(message, PREFIX_BYTES);
  bytes[0] = VERSION;
  bytes.writeDoubleLE(deadlineAt, DEADLINE_AT);
  bytes.writeDoubleLE(timeoutMs, TIMEOUT_AT);
  return bytes;
}

/** Whether the bytes begin like a request of this version. */
export function isRequest(bytes: Uint8Array): boolean {
  return bytes.length >= PREFIX_BYTES && bytes[0] === VERSION;
}

/** Of what `isRequest` accepts. */
export function deadlineOf(bytes: Uint8Array): number {
  return doubleAt(bytes, DEADLINE_AT);
}

/** Of what `isRequest` accepts. */
export function timeoutOf(bytes: Uint8Array): number {
  return doubleAt(bytes, TIMEOUT_AT);
}

/** Throws when the bytes are no message, or what the schema throws. */
export function decodeRequest<Value>(schema: Check<Value>, bytes: Uint8Array): Message<Value> {
  return decodeMessage(schema, bytes, PREFIX_BYTES);
}

function doubleAt(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(offset, true);
}
