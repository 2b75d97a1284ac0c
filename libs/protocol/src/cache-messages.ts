/** What is said about stored answers, and the predicates of it. */
import { z } from 'zod';
import { fieldsOf, hasFields, isText, isWhole } from './exact-check.ts';
import { isUsage, usage } from './usage.ts';

/** A stored answer: the entry and the exact bytes that the client was sent, at most this many. */
export const CACHED_BODY_BYTES_MAX = 512 * 1024;

const CACHE_KEY = /^[0-9a-f]{64}$/;

/** SHA-256 over tenant, endpoint and canonical request, in hex. */
export const cacheKey = z.string().regex(CACHE_KEY);

export const cacheEntry = z.object({
  contentType: z.string(),
  provider: z.string(),
  model: z.string(),
  usage,
  storedAt: z.number().int(),
});

export const lookupRequest = z.object({ tenant: z.string(), key: cacheKey });

/** The reply's body holds the stored bytes when there is an entry. */
export const lookupReply = z.object({ entry: cacheEntry.optional() });

export const storeMessage = z.object({
  tenant: z.string(),
  key: cacheKey,
  ttlSeconds: z.number().int().positive(),
  entry: cacheEntry,
});

export type CacheEntry = z.infer<typeof cacheEntry>;
export type LookupRequest = z.infer<typeof lookupRequest>;
export type LookupReply = z.infer<typeof lookupReply>;
export type StoreMessage = z.infer<typeof storeMessage>;

export function isLookupRequest(value: unknown): boolean {
  const { tenant, key } = fieldsOf(value);
  return isText(tenant) && isCacheKey(key) && hasFields(value, 2);
}

/** A hit or a miss. */
export function isLookupReply(value: unknown): boolean {
  const { entry } = fieldsOf(value);
  return entry === undefined ? hasFields(value, 0) : isCacheEntry(entry) && hasFields(value, 1);
}

export function isStoreMessage(value: unknown): boolean {
  const { tenant, key, ttlSeconds, entry } = fieldsOf(value);
  return (
    isText(tenant) &&
    isCacheKey(key) &&
    isWhole(ttlSeconds, 1) &&
    isCacheEntry(entry) &&
    hasFields(value, 4)
  );
}

function isCacheEntry(value: unknown): boolean {
  const { contentType, provider, model, usage, storedAt } = fieldsOf(value);
  return (
    isText(contentType) &&
    isText(provider) &&
    isText(model) &&
    isUsage(usage) &&
    isWhole(storedAt, Number.MIN_SAFE_INTEGER) &&
    hasFields(value, 5)
  );
}

export function isCacheKey(value: unknown): boolean {
  return typeof value === 'string' && CACHE_KEY.test(value);
}
