/**
 * The name of an answer: the same for requests that differ in spelling alone, another for anything
 * that could change the answer. What is hashed is one JSON array, so that no tenant can be written
 * to look like another tenant and part of a request.
 *
 * `stream` and `stream_options` count: what is stored are the very bytes that a client was sent.
 * Text is compared as it is, composed and decomposed characters apart: a model reads them apart,
 * too.
 */
import { createHash } from 'node:crypto';

/** Changes when the same request must no longer find what was stored before. */
const FORM = 1;

/** Top-level fields that say who asks and how it is accounted, not what is answered. */
const FIELDS_WITHOUT_EFFECT: ReadonlySet<string> = new Set([
  'metadata',
  'prompt_cache_key',
  'prompt_cache_retention',
  'safety_identifier',
  'service_tier',
  'store',
  'user',
]);

export interface CacheKeyParts {
  readonly tenant: string;
  /** The path of the endpoint, which also says the dialect. */
  readonly endpoint: string;
  /** Where the name of the model leads: an alias that changes must not find the answers of before. */
  readonly targets: readonly { readonly provider: string; readonly model: string }[];
  /** The request as `JSON.parse` gives it. */
  readonly body: object;
}

/**
 * SHA-256 in hex. Undefined when the request holds a number that JavaScript cannot tell from its
 * neighbours (a seed above 2^53, 1e999): two different requests would have one key.
 */
export function cacheKey({ tenant, endpoint, targets, body }: CacheKeyParts): string | undefined {
  const effective = Object.entries(body).filter(([name]) => !FIELDS_WITHOUT_EFFECT.has(name));
  const request = ordered(Object.fromEntries(effective));
  if (request === undefined) return undefined;
  const models = targets.map(({ provider, model }) => [provider, model]);
  const text = JSON.stringify([FORM, tenant, endpoint, models, request]);
  return createHash('sha256').update(text, 'utf8').digest('hex');
}

/** The value with the members of every object in one order; undefined with a number as above. */
function ordered(value: unknown): unknown {
  if (typeof value === 'number') return isExact(value) ? value : undefined;
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items = value.map(ordered);
    return items.includes(undefined) ? undefined : items;
  }
  // Without a prototype `__proto__` is a name like any other.
  const object: Record<string, unknown> = Object.create(null);
  for (const name of Object.keys(value).sort()) {
    const member = ordered((value as Record<string, unknown>)[name]);
    if (member === undefined) return undefined;
    object[name] = member;
  }
  return object;
}

function isExact(value: number): boolean {
  return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
}
