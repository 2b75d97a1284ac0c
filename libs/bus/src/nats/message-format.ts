/**
 * A message on NATS: the length of the value as u32 LE, the value as JSON, then the body. The body
 * is never parsed, and read as a view of the received bytes.
 */
import {
  type Check,
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
import { activeCarrier, type Carrier, carrierFields, NO_CARRIER } from '../trace-context.ts';

const LENGTH_BYTES = 4;
const NO_RESPONDERS = 503;
const NO_BYTES = new Uint8Array(0);

/** Throws `internal` above MESSAGE_BYTES_MAX. Leaves `prefixBytes` free before the message. */
export function encodeMessage(
  { value, body = NO_BYTES }: Message<unknown>,
  prefixBytes = 0,
): Buffer {
  const json = encodeJson(value);
  const size = json.length + body.length;
  if (size > MESSAGE_BYTES_MAX) {
    throw new GatewayError('internal', 'The gateway failed to handle this request.', {
      detail: `a message of ${size} bytes is larger than ${MESSAGE_BYTES_MAX}`,
    });
  }
  const valueAt = prefixBytes + LENGTH_BYTES;
  const bytes = Buffer.allocUnsafe(valueAt + size);
  bytes.writeUInt32LE(json.length, prefixBytes);
  bytes.set(json, valueAt);
  if (body.length > 0) bytes.set(body, valueAt + json.length);
  return bytes;
}

/** Throws when the bytes after the prefix are no message, or what the schema throws. */
export function decodeMessage<Value>(
  schema: Check<Value>,
  bytes: Uint8Array,
  prefixBytes = 0,
): Message<Value> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const valueAt = prefixBytes + LENGTH_BYTES;
  const end = valueAt + view.getUint32(prefixBytes, true);
  if (end > bytes.length) throw new RangeError('a message shorter than it says');
  const value = decodeJson(schema, bytes.subarray(valueAt, end));
  return end === bytes.length ? { value } : { value, body: bytes.subarray(end) };
}

/** Headers with the active trace context and these entries. */
export function headersWith(entries: Readonly<Record<string, string>>): MsgHdrs {
  const result = headers();
  for (const [name, value] of Object.entries(activeCarrier())) result.set(name, value);
  for (const [name, value] of Object.entries(entries)) result.set(name, value);
  return result;
}

/** Headers with the active trace context; undefined without one, since headers cost a server. */
export function traceHeaders(): MsgHdrs | undefined {
  const carrier = activeCarrier();
  if (carrier === NO_CARRIER) return undefined;
  const result = headers();
  for (const [name, value] of Object.entries(carrier)) result.set(name, value);
  return result;
}

export function carrierOf(message: Msg): Carrier {
  if (message.headers === undefined) return NO_CARRIER;
  const carrier: Record<string, string> = {};
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
