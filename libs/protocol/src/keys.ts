/**
 * Virtual keys. The text of a key is shown once; what is kept is its HMAC-SHA256 under the pepper
 * (`key-digest.ts`), so neither the bucket nor the database can be turned back into keys.
 *
 * A key that we make reads `gw_<id>_<secret>_<checksum>`: the checksum lets a typing error be refused
 * at once and gives secret scanners a pattern. Bootstrap keys may be any text of 16 to 512 characters.
 */
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { z } from 'zod';

export const KEY_SCHEMA = 1;
export const KEY_TEXT_LENGTH_MIN = 16;
export const KEY_TEXT_LENGTH_MAX = 512;

const isoTime = z.iso.datetime();

/** At most `requests` in any window of `windowSeconds`. */
export const requestLimit = z.object({
  requests: z.number().int().min(1).max(1_000_000_000),
  windowSeconds: z
    .number()
    .int()
    .min(1)
    .max(31 * 24 * 60 * 60),
});

export const CONCURRENCY_MAX = 100_000;

/** How many requests may run at the same time. */
export const concurrency = z.number().int().min(1).max(CONCURRENCY_MAX);

const TENANT = /^[a-z0-9][a-z0-9_-]{0,63}$/;

export const keyRecord = z.object({
  schema: z.literal(KEY_SCHEMA),
  /** 12 characters of `[a-z0-9]`, or `bootstrap-client` and `bootstrap-admin`. */
  id: z.string().regex(/^[a-z0-9-]{1,32}$/),
  tenant: z.string().regex(TENANT),
  name: z.string().max(128),
  role: z.enum(['client', 'admin']),
  /** HMAC-SHA256 of the key's text under the pepper, in hex. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  createdAt: isoTime,
  expiresAt: isoTime.optional(),
  revokedAt: isoTime.optional(),
  /** The key's own limit; without it the default of the configuration applies. */
  limit: requestLimit.optional(),
  /** The same for requests at the same time. */
  concurrency: concurrency.optional(),
  /** Model names or patterns that the key may use; absent means all. */
  models: z.array(z.string().max(256)).max(256).optional(),
});

export type RequestLimit = z.infer<typeof requestLimit>;
export type KeyRecord = z.infer<typeof keyRecord>;

const ID_ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

export interface NewKey {
  readonly id: string;
  /** The text to hand out, once. */
  readonly text: string;
}

/** A new key: 60 bits of id, 256 bits of secret, CRC-32 of both. */
export function newKey(): NewKey {
  const id = Array.from(randomBytes(12), (byte) => ID_ALPHABET[byte & 31]).join('');
  const body = `gw_${id}_${randomBytes(32).toString('base64url')}`;
  return { id, text: `${body}_${checksum(body)}` };
}

/** False for a text that has our prefix and a wrong checksum; true for any other. */
export function keyTextIsPlausible(text: string): boolean {
  if (text.length < KEY_TEXT_LENGTH_MIN || text.length > KEY_TEXT_LENGTH_MAX) return false;
  if (!/^gw_[a-z2-7]{12}_/.test(text)) return true;
  const cut = text.lastIndexOf('_');
  return text.slice(cut + 1) === checksum(text.slice(0, cut));
}

function checksum(body: string): string {
  return crc32(body).toString(16).padStart(8, '0');
}

export function isTenant(text: string): boolean {
  return TENANT.test(text);
}
