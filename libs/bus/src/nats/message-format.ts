/** What NATS headers say of a message: its trace, an error, or that nobody took it. */
import {
  errorFromWire,
  errorToWire,
  type GatewayError,
  headers as headerNames,
  wireError,
} from '@gateway/protocol';
import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { decodeJson, encodeJson } from '../calls/call-messages.ts';
import { activeCarrier, type Carrier, carrierFields, NO_CARRIER } from '../trace-context.ts';

const NO_RESPONDERS = 503;

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
