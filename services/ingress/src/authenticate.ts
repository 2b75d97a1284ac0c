import type { IncomingMessage } from 'node:http';
import { GatewayError, type KeyRecord } from '@gateway/protocol';
import type { KeyDirectory } from './key-directory.ts';

const GOOGLE_PREFIX = /^\/v1(beta\/|\/models\/)/;

/**
 * The key that the request's headers name: `Authorization: Bearer`, `x-api-key` or `x-goog-api-key`.
 * Throws `authentication_failed`, the same for every cause but a key in the address.
 */
export function authenticate(
  request: Pick<IncomingMessage, 'headersDistinct' | 'url'>,
  keys: Pick<KeyDirectory, 'find'>,
): KeyRecord {
  refuseKeyInAddress(request);
  const presented = presentedKeys(request);
  const [text] = presented;
  const record = presented.size === 1 && text !== undefined ? keys.find(text) : undefined;
  if (record) return record;
  throw new GatewayError(
    'authentication_failed',
    'Incorrect or missing API key. Send a key of this gateway as "Authorization: Bearer <key>".',
    { reason: 'invalid_api_key' },
  );
}

/** Google takes a key there; but addresses end up in logs. */
function refuseKeyInAddress({ url = '' }: Pick<IncomingMessage, 'url'>): void {
  const start = url.indexOf('?');
  if (!GOOGLE_PREFIX.test(url) || start === -1) return;
  if (!new URLSearchParams(url.slice(start)).has('key')) return;
  throw new GatewayError(
    'authentication_failed',
    'A key in the address is not accepted. Send it as the header "x-goog-api-key" instead.',
    { reason: 'key_in_address' },
  );
}

/** Clients may send the same key in two headers; two different ones are refused. */
function presentedKeys({ headersDistinct: headers }: Pick<IncomingMessage, 'headersDistinct'>) {
  const presented = new Set<string>();
  const { authorization = [] } = headers;
  for (const value of authorization) {
    presented.add(/^bearer ([\x21-\x7e]+)$/i.exec(value)?.[1] ?? '');
  }
  // The same line twice is no way that clients send a key.
  if (authorization.length > 1) presented.add('');
  for (const name of ['x-api-key', 'x-goog-api-key']) {
    for (const value of headers[name] ?? []) presented.add(value);
  }
  return presented;
}
