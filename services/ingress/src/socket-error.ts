/** What is refused before there is a request: answered on the socket, in the shape of every error. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError, newRequestId } from '@gateway/protocol';
import { errorBody, errorHeaders } from './error-reply.ts';

/** Writes the answer and ends the connection; the client may still be sending. */
export function answerOnSocket(error: GatewayError, socket: Socket, written?: () => void): void {
  const body = JSON.stringify(errorBody(error));
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    'x-request-id': newRequestId(),
    ...errorHeaders(error, 0),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const status = `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n`;
  socket.end(`${status}${lines.join('')}\r\n${body}`, written);
}

/** The answer to what Node's parser or its timers refuse; closes the connection. */
export function answerSocketError(code: string | undefined, socket: Socket): void {
  answerOnSocket(socketError(code), socket, () => socket.destroy());
}

function socketError(code: string | undefined): GatewayError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new GatewayError('headers_too_large', 'The headers are too large.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GatewayError('request_timeout', 'The request took too long to arrive.');
    default:
      return new GatewayError('invalid_request', 'This is no valid HTTP request.', {
        reason: 'bad_request_framing',
      });
  }
}
