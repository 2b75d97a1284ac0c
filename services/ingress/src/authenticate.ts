import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError, type KeyRecord } from '@gateway/protocol';
import type { KeyDirectory } from './key-directory.ts';

/**
 * The key that the request's headers name: `Authorization: Bearer`, `x-api-key` or `x-goog-api-key`.
 * Throws `authentication_failed`, the same for every cause, or `permission_denied` for a key of the
 * other role.
 */
export function authenticate(
  headers: IncomingHttpHeaders,
  keys: KeyDirectory,
  role: KeyRecord['role'],
): KeyRecord {
  const presented = presentedKeys(headers);
  const [text] = presented;
  const record = presented.size === 1 && text !== undefined ? keys.find(text) : undefined;
  if (!record) {
    throw new GatewayError(
      'authentication_failed',
      'Incorrect or missing API key. Send a key of this gateway as "Authorization: Bearer <key>".',
      { reason: 'invalid_api_key' },
    );
  }
  if (record.role !== role) {
    throw new GatewayError('permission_denied', `This needs a key of the role ${role}.`, {
      reason: 'insufficient_scope',
    });
  }
  return record;
}

/** Clients may send the same key in two headers; two different ones are refused. */
function presentedKeys(headers: IncomingHttpHeaders): Set<string> {
  const presented = new Set<string>();
  if (headers.authorization !== undefined) {
    presented.add(/^bearer ([\x21-\x7e]+)$/i.exec(headers.authorization)?.[1] ?? '');
  }
  for (const name of ['x-api-key', 'x-goog-api-key']) {
    const value = headers[name];
    if (typeof value === 'string') presented.add(value);
  }
  return presented;
}
