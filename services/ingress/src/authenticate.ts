import type { IncomingMessage } from 'node:http';
import { GatewayError, type KeyRecord } from '@gateway/protocol';
import type { KeyDirectory } from './key-directory.ts';

const GOOGLE_PREFIX = /^\/v1(beta\/|\/models\/)/;
const BEARER = /^bearer ([\x21-\x7e]+)$/i;

/**
 * The key that the request's headers name: `Authorization: Bearer`, `x-api-key` or `x-goog-api-key`.
 * Throws `authentication_failed`, the same for every cause but a key in the address.
 */
export function authenticate(
  request: Pick<IncomingMessage, 'rawHeaders' | 'url'>,
  keys: Pick<KeyDirectory, 'find'>,
): KeyRecord {
  refuseKeyInAddress(request);
  const text = presentedKey(request);
  const record = text === undefined ? undefined : keys.find(text);
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
  if (start === -1 || !GOOGLE_PREFIX.test(url)) return;
  if (!new URLSearchParams(url.slice(start)).has('key')) return;
  throw new GatewayError(
    'authentication_failed',
    'A key in the address is not accepted. Send it as the header "x-goog-api-key" instead.',
    { reason: 'key_in_address' },
  );
}

/**
 * Clients may send the same key in two headers; two different ones are none. The same line of
 * `authorization` twice is no way that clients send a key.
 */
function presentedKey({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): string | undefined {
  let presented: string | undefined;
  let isAuthorized = false;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = keyHeader(rawHeaders[at] ?? '');
    if (name === undefined) continue;
    const value = rawHeaders[at + 1] ?? '';
    const isAuthorization = name === 'authorization';
    if (isAuthorization && isAuthorized) return undefined;
    isAuthorized ||= isAuthorization;
    const text = isAuthorization ? (BEARER.exec(value)?.[1] ?? '') : value;
    presented ??= text;
    if (text !== presented) return undefined;
  }
  return presented;
}

/** The name of a header that may hold a key, in lower case; undefined of any other. */
function keyHeader(name: string): string | undefined {
  switch (name.length) {
    case 'x-api-key'.length:
      return asNamed(name, 'x-api-key');
    case 'authorization'.length:
      return asNamed(name, 'authorization');
    case 'x-goog-api-key'.length:
      return asNamed(name, 'x-goog-api-key');
    default:
      return undefined;
  }
}

function asNamed(name: string, header: string): string | undefined {
  return name === header || name.toLowerCase() === header ? header : undefined;
}
