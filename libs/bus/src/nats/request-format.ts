/**
 * A pack of requests, of replies, and of messages that nobody answers, as they are on NATS. In NATS
 * headers the times took longer than all else of a small request.
 *
 * - Requests: a version, until when and for how long somebody waits for the replies (f64 LE each), and
 *   the requests.
 * - Replies: the version, and of each what it answers: `[place, value]`, or `[place, null, error]`, where
 *   the place is that of the request in its pack. A pack may be answered by several.
 * - Messages: the version, and the messages.
 */
import { errorFromWire, errorToWire, type GatewayError, wireError } from '@gateway/protocol';
import type { Message } from '../bus.ts';
import { decodePack, encodePack, type PackedMessage, packedMessage } from './message-packs.ts';

/** Of these formats, so that a service knows what it cannot read. */
const VERSION = 2;
const VERSION_BYTES = 1;
const DEADLINE_AT = 1;
const TIMEOUT_AT = 9;
const REQUESTS_PREFIX_BYTES = 17;

/** `deadlineAt`: milliseconds since 1970, by the clock of whoever waits. */
export function encodeRequests(
  requests: readonly PackedMessage[],
  deadlineAt: number,
  timeoutMs: number,
): Uint8Array {
  const bytes = encodePack(requests, REQUESTS_PREFIX_BYTES);
  bytes[0] = VERSION;
  bytes.writeDoubleLE(deadlineAt, DEADLINE_AT);
  bytes.writeDoubleLE(timeoutMs, TIMEOUT_AT);
  return bytes;
}

/** Whether the bytes begin like requests of this version. */
export function areRequests(bytes: Uint8Array): boolean {
  return bytes.length >= REQUESTS_PREFIX_BYTES && bytes[0] === VERSION;
}

/** Of what `areRequests` accepts: compared by the receiver's clock. */
export function deadlineOf(bytes: Uint8Array): number {
  return doubleAt(bytes, DEADLINE_AT);
}

/** Of what `areRequests` accepts: compared with one clock alone. */
export function timeoutOf(bytes: Uint8Array): number {
  return doubleAt(bytes, TIMEOUT_AT);
}

/** Unchecked. Throws when the bytes hold no pack. */
export function decodeRequests(bytes: Uint8Array): Message<unknown>[] {
  return decodePack(bytes, REQUESTS_PREFIX_BYTES);
}

/** Throws `internal` where the message is too large. */
export function packedReply(place: number, reply: Message<unknown>): PackedMessage {
  return placed(`[${place},`, packedMessage(reply));
}

export function packedError(place: number, error: GatewayError): PackedMessage {
  return placed(`[${place},null,`, packedMessage({ value: errorToWire(error) }));
}

function placed(opening: string, { text, textBytes, body }: PackedMessage): PackedMessage {
  return { text: `${opening}${text}]`, textBytes: opening.length + textBytes + 1, body };
}

/** What answers the request of a pack that was at this place. */
export interface PlacedReply {
  readonly place: number;
  readonly reply: Message<unknown>;
  readonly error: GatewayError | undefined;
}

/** Unchecked but for errors. Throws when the bytes are no replies. */
export function decodeReplies(bytes: Uint8Array): PlacedReply[] {
  return decodeMessages(bytes).map(({ value, body }) => {
    if (!Array.isArray(value)) throw new RangeError('not a reply');
    const [place, answer, error]: unknown[] = value;
    if (typeof place !== 'number') throw new RangeError('a reply to nothing');
    return {
      place,
      reply: body === undefined ? { value: answer } : { value: answer, body },
      error: error === undefined ? undefined : errorFromWire(wireError.parse(error)),
    };
  });
}

/** Of replies, too. */
export function encodeMessages(messages: readonly PackedMessage[]): Uint8Array {
  const bytes = encodePack(messages, VERSION_BYTES);
  bytes[0] = VERSION;
  return bytes;
}

/** Unchecked. Throws when the bytes are no messages of this version. */
export function decodeMessages(bytes: Uint8Array): Message<unknown>[] {
  if (bytes[0] !== VERSION) throw new RangeError('messages of another version');
  return decodePack(bytes, VERSION_BYTES);
}

function doubleAt(bytes: Uint8Array, offset: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(offset, true);
}
