/** Sends the error of a request whose handler did not run, or that did not take over its reply. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type GatewayError, newRequestId } from '@gateway/protocol';
import { errorHeaders } from './error-reply.ts';
import type { ErrorStyle } from './error-style.ts';
import { openaiErrors } from './error-styles/openai.ts';

/** The rest of a refused body that is read and dropped; a longer one ends the connection. */
const UNREAD_BYTES_MAX = 64 * 1024;
/** How long a connection that ends stays open for a client that is still sending. */
const LINGER_MS = 1_000;

/** A request that is refused, of which little may be known yet. */
export interface RefusedRequest {
  readonly raw: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId?: string;
  /** OpenAI's way where there is no route to say another. */
  readonly route?: { readonly errors: ErrorStyle } | undefined;
}

export function sendRefusal(
  error: GatewayError,
  { raw, response, requestId = newRequestId(), route }: RefusedRequest,
  more: Readonly<Record<string, string>> = {},
): void {
  const style = route?.errors ?? openaiErrors;
  const body = Buffer.from(JSON.stringify(style.body(error, requestId)));
  const endsConnection = hasMuchToSend(raw);
  response.writeHead(style.status(error), {
    'x-request-id': requestId,
    ...errorHeaders(error, 0),
    ...more,
    'content-type': 'application/json; charset=utf-8',
    'content-length': body.length,
    ...(endsConnection && { connection: 'close' }),
  });
  if (!endsConnection) {
    response.end(body);
    return;
  }
  response.write(body);
  linger(raw, response);
}

/** Whether more of the request may follow than is worth reading to keep the connection. */
function hasMuchToSend({ complete, headers }: IncomingMessage): boolean {
  if (complete) return false;
  // Without its 100 the client sends the body or does not, and nobody can tell which.
  if (headers.expect !== undefined || headers['transfer-encoding'] !== undefined) return true;
  return Number(headers['content-length'] ?? 0) > UNREAD_BYTES_MAX;
}

/**
 * A socket that is closed on unread bytes is reset, and a reset takes the answer with it. So the whole
 * answer is out and the end of it waits, while a little is read and dropped.
 */
function linger(request: IncomingMessage, response: ServerResponse): void {
  const timer = setTimeout(end, LINGER_MS);
  let readBytes = 0;
  function end() {
    clearTimeout(timer);
    response.end();
  }
  request.on('data', (bytes: Buffer) => {
    readBytes += bytes.length;
    if (readBytes > UNREAD_BYTES_MAX) request.pause();
  });
  request.once('end', end);
  request.once('error', end);
  response.once('close', () => clearTimeout(timer));
  request.resume();
}
