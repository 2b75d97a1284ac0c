/** Everything that a request is refused for before its body is read. */
import type { IncomingMessage } from 'node:http';
import { GatewayError } from '@gateway/protocol';
import { authenticate } from './authenticate.ts';
import { countHeaderLines } from './header-lines.ts';
import type { Access, IncomingRequest } from './incoming-request.ts';
import type { KeyDirectory } from './key-directory.ts';

const HEADERS_MAX = 100;
/** What a host and its port are written with: RFC 3986 §3.2.2. */
const HOST = /^[\w.~%!$&'()*+,;=:[\]-]+$/;

/** Checks the headers, then the key; sets the key that it found. Throws the refusal. */
export function admit(
  request: IncomingRequest,
  access: Access | undefined,
  keys: KeyDirectory,
): void {
  checkFraming(request.raw);
  if (access === undefined) throw new GatewayError('permission_denied', 'This route is closed.');
  if (access === 'public') return;
  request.key = authenticate(request.raw, keys);
  if (request.key.role === access) return;
  throw new GatewayError('permission_denied', `This needs a key of the role ${access}.`, {
    reason: 'insufficient_scope',
  });
}

function checkFraming({ rawHeaders, headers }: IncomingMessage): void {
  if (rawHeaders.length / 2 > HEADERS_MAX) {
    throw new GatewayError('headers_too_large', `At most ${HEADERS_MAX} headers are taken.`);
  }
  if (countHeaderLines(rawHeaders, 'host') !== 1 || !HOST.test(headers.host ?? '')) {
    throw badFraming('Exactly one valid Host header is needed.');
  }
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue') {
    throw badFraming('The Expect header is not supported.');
  }
}

function badFraming(message: string): GatewayError {
  return new GatewayError('invalid_request', message, { reason: 'bad_request_framing' });
}

const MEDIA_TYPE = /^application\/json(; *charset=(utf-8|"utf-8"))?$/i;

/** Bodies are bytes to the server; only their type, exactly, and announced length are judged. */
export function checkBodyHeaders({ headers }: IncomingMessage, bodyBytesMax: number): void {
  const { 'content-type': mediaType = '', 'content-encoding': encoding } = headers;
  if (mediaType !== 'application/json' && !MEDIA_TYPE.test(mediaType)) {
    throw new GatewayError('unsupported_media_type', 'Send the body as application/json.');
  }
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new GatewayError('unsupported_media_type', 'Compressed bodies are not supported.');
  }
  if (Number(headers['content-length'] ?? 0) > bodyBytesMax) throw bodyTooLarge();
}

export function bodyTooLarge(): GatewayError {
  return new GatewayError('request_too_large', 'The request body is too large.');
}
