/**
 * A message on NATS: the length of the value as u32 LE, the value as JSON, then the body. The body
 * is never parsed, and read as a view of the received bytes.
 */
import {
  errorFromWire,
  errorToWire,
  GatewayError,
  headers as headerNames,
  MESSAGE_BYTES_MAX,
  wireError,
} from '@gateway/protocol';
import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import type { Message } from '../bus.ts';
import { decodeJson, encodeJson } from '../calls/call-messages.ts';
import { activeCarrier, type Carrier, carrierFields } from '../trace-context.ts';

const LENGTH_BYTES = 4;
const NO_RESPONDERS = 503;
const NO_BYTES = new Uint8Array(0);

/** Throws `internal` above MESSAGE_BYTES_MAX. */
export function encodeMessage({ value, body = NO_BYTES }: Message<unknown>): Uint8Array {
  const json = encodeJson(value);
  const size = json.length + body.length;
  if (size > MESSAGE_BYTES_MAX) {
    throw new GatewayError('internal', 'The gateway failed to handle this request.', {
      detail: `a message of ${size} bytes is larger than ${MESSAGE_BYTES_MAX}`,
    });
  }
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + size);
  bytes.writeUInt32LE(json.length, 0);
  bytes.set(json, LENGTH_BYTES);
  bytes.set(body, LENGTH_BYTES + json.length);
  return bytes;
}

export interface RawMessage {
  readonly value: () => unknown;
  /** Undefined when empty. */
  readonly body: Uint8Array | undefined;
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Throws when the bytes are no message; the value is parsed when it is asked for. */
export function decodeMessage(bytes: Uint8Array): RawMessage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = LENGTH_BYTES + view.getUint32(0, true);
  if (end > bytes.length) throw new RangeError('a message shorter than it says');
  return {
    value: () => JSON.parse(decoder.decode(bytes.subarray(LENGTH_BYTES, end))),
    body: end === bytes.length ? undefined : bytes.subarray(end),
  };
}

/** Headers with the active trace context and these entries. */
export function headersWith(entries: Readonly<Record<string, string>>): MsgHdrs {
  const result = headers();
  for (const [name, value] of Object.entries(activeCarrier())) result.set(name, value);
  for (const [name, value] of Object.entries(entries)) result.set(name, value);
  return result;
}

export function carrierOf(message: Msg): Carrier {
  const carrier: Record<string, string> = {};
  if (message.headers === undefined) return carrier;
  for (const name of carrierFields()) {
    const value = message.headers.get(name);
    if (value !== '') carrier[name] = value;
  }
  return carrier;
}

/** Whether the server says that nobody is subscribed to what was published. */
export function isNoResponders(message: Msg): boolean {
  return message.data.length === 0 && message.headers?.code === NO_RESPONDERS;
}

export function respondWithError(message: Msg, error: GatewayError): void {
  const marked = headers();
  marked.set(headerNames.error, error.code);
  message.respond(encodeJson(errorToWire(error)), { headers: marked });
}

/** The error that a reply is, or undefined for any other reply. */
export function errorInReply(message: Msg): GatewayError | undefined {
  if (message.headers === undefined || !message.headers.has(headerNames.error)) return undefined;
  return errorFromWire(decodeJson(wireError, message.data));
}
