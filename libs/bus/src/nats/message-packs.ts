/**
 * Messages that travel as one: what one costs a server, and both ends, is shared by all that a turn of
 * the event loop brings. After a prefix of the user's: u16 LE how many, u32 LE the bytes of their values,
 * u32 LE the bytes of each body, the values as one JSON array, the bodies. Bodies are never parsed, and
 * read as views of the received bytes.
 */
import { type Check, GatewayError, MESSAGE_BYTES_MAX } from '@gateway/protocol';
import type { Message } from '../bus.ts';

/** A message in the form in which it waits for others. */
export interface PackedMessage {
  /** JSON. */
  readonly text: string;
  readonly textBytes: number;
  readonly body: Uint8Array | undefined;
}

/** Messages of a pack: more would all go to one member of a group, and be looked up as one. */
export const PACK_MESSAGES_MAX = 16;
/** Of a pack. A larger message goes alone. */
export const MESSAGE_PACK_BYTES_MAX = 64 * 1024;

const COUNT_BYTES = 2;
const LENGTH_BYTES = 4;
const COMMA_BYTES = 1;
const BRACKETS_BYTES = 2;

/** Throws `internal` above MESSAGE_BYTES_MAX. */
export function packedMessage({ value, body }: Message<unknown>): PackedMessage {
  const text = JSON.stringify(value);
  const textBytes = Buffer.byteLength(text);
  const size = textBytes + (body?.length ?? 0);
  if (size > MESSAGE_BYTES_MAX) {
    throw new GatewayError('internal', 'The gateway failed to handle this request.', {
      detail: `a message of ${size} bytes is larger than ${MESSAGE_BYTES_MAX}`,
    });
  }
  return { text, textBytes, body };
}

/** What the message adds to a pack. */
export function bytesInPack({ textBytes, body }: PackedMessage): number {
  return LENGTH_BYTES + textBytes + COMMA_BYTES + (body?.length ?? 0);
}

/** Leaves `prefixBytes` free. The bounds are the caller's to keep. */
export function encodePack(messages: readonly PackedMessage[], prefixBytes: number): Buffer {
  const jsonAt = prefixBytes + COUNT_BYTES + LENGTH_BYTES * (1 + messages.length);
  let text = '';
  let jsonBytes = BRACKETS_BYTES + COMMA_BYTES * (messages.length - 1);
  let bodyBytes = 0;
  for (const message of messages) {
    text = text === '' ? `[${message.text}` : `${text},${message.text}`;
    jsonBytes += message.textBytes;
    bodyBytes += message.body?.length ?? 0;
  }
  text += ']';
  const bytes = Buffer.allocUnsafe(jsonAt + jsonBytes + bodyBytes);
  bytes.writeUInt16LE(messages.length, prefixBytes);
  bytes.writeUInt32LE(jsonBytes, prefixBytes + COUNT_BYTES);
  bytes.write(text, jsonAt, jsonBytes === text.length ? 'latin1' : 'utf8');
  let lengthAt = prefixBytes + COUNT_BYTES + LENGTH_BYTES;
  let bodyAt = jsonAt + jsonBytes;
  for (const { body } of messages) {
    bytes.writeUInt32LE(body?.length ?? 0, lengthAt);
    lengthAt += LENGTH_BYTES;
    if (body === undefined) continue;
    bytes.set(body, bodyAt);
    bodyAt += body.length;
  }
  return bytes;
}

/** Unchecked, in their order. Throws when the bytes after the prefix are no pack. */
export function decodePack(
  { buffer, byteOffset, length }: Uint8Array,
  prefixBytes: number,
): Message<unknown>[] {
  const bytes = Buffer.from(buffer, byteOffset, length);
  const count = bytes.readUInt16LE(prefixBytes);
  let lengthAt = prefixBytes + COUNT_BYTES;
  const jsonAt = lengthAt + LENGTH_BYTES * (1 + count);
  let bodyAt = jsonAt + bytes.readUInt32LE(lengthAt);
  if (bodyAt > length) throw new RangeError('a pack shorter than it says');
  const values: unknown = JSON.parse(bytes.toString('utf8', jsonAt, bodyAt));
  if (!Array.isArray(values) || values.length !== count)
    throw new RangeError('not the pack it says');
  const messages: Message<unknown>[] = [];
  for (const value of values) {
    lengthAt += LENGTH_BYTES;
    const bodyEnd = bodyAt + bytes.readUInt32LE(lengthAt);
    if (bodyEnd > length) throw new RangeError('a pack shorter than it says');
    messages.push(
      bodyEnd === bodyAt ? { value } : { value, body: bytes.subarray(bodyAt, bodyEnd) },
    );
    bodyAt = bodyEnd;
  }
  return messages;
}

/** Throws what the schema throws. */
export function checkedMessage<Value>(
  schema: Check<Value>,
  { value, body }: Message<unknown>,
): Message<Value> {
  const checked = schema.parse(value);
  return body === undefined ? { value: checked } : { value: checked, body };
}
