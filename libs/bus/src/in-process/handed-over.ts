/**
 * Values between the services of one process. They are handed over as they are: both sides are compiled
 * against the same types, and there is no wire that could change them on the way.
 */
import { GatewayError, MESSAGE_BYTES_MAX } from '@gateway/protocol';
import type { Message } from '../bus.ts';

/** The check of a value whose maker is of the same program. */
export const AS_HANDED_OVER = { parse: <Value>(value: unknown): Value => value as Value };

/** Values alone are small, so that only those beside a large body are measured. */
const LARGE_BODY_BYTES = MESSAGE_BYTES_MAX / 2;

/** Throws where the message would be too large for a wire. */
export function requireSize({ value, body }: Message<unknown>): void {
  if (body === undefined || body.length <= LARGE_BODY_BYTES) return;
  const bytes = body.length + Buffer.byteLength(JSON.stringify(value));
  if (bytes <= MESSAGE_BYTES_MAX) return;
  throw new GatewayError('internal', 'The gateway failed to handle this request.', {
    detail: `a message of ${bytes} bytes is too large for the bus`,
  });
}

/** Looks at a value that is about to be handed over. */
export type Inspect = (value: unknown) => void;

export const uninspected: Inspect = () => {};

/**
 * For tests: freezes the value, so that it throws who changes what another side holds. Throws for what
 * JSON would not give back: anything but objects without a class, arrays, texts, finite numbers,
 * booleans and null. A member that is undefined is one that is absent.
 */
export function freezePlain(value: unknown): void {
  if (typeof value === 'object' && value !== null) {
    if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) {
      throw new TypeError(`a message has a ${value.constructor?.name ?? 'nameless object'} in it`);
    }
    const isMember = Array.isArray(value) ? () => true : (part: unknown) => part !== undefined;
    for (const part of Object.values(value)) if (isMember(part)) freezePlain(part);
    Object.freeze(value);
    return;
  }
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return;
  if (!Number.isFinite(value)) throw new TypeError(`a message has ${String(value)} in it`);
}
