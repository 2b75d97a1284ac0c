/**
 * The name of an answer: the same for requests that differ in spelling alone, another for anything
 * that could change the answer. What is hashed is one JSON array, so that no tenant can be written
 * to look like another tenant and part of a request.
 *
 * `stream` and `stream_options` count: what is stored are the very bytes that a client was sent.
 * Text is compared as it is, composed and decomposed characters apart: a model reads them apart,
 * too.
 */
import { hash } from 'node:crypto';

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
  const request = objectText(body, FIELDS_WITHOUT_EFFECT);
  if (request === undefined) return undefined;
  const models = targets.map(({ provider, model }) => [provider, model]);
  const named = JSON.stringify([FORM, tenant, endpoint, models]);
  // In one call: an object for the hash costs more than the hash of a prompt.
  return hash('sha256', `${named.slice(0, -1)},${request}]`, 'hex');
}

/**
 * The value as JSON with the members of every object in one order; undefined with a number as above.
 * Written as it is walked, which takes half as long as a copy in that order for `JSON.stringify`.
 */
function orderedText(value: unknown): string | undefined {
  if (typeof value === 'number' && !isExact(value)) return undefined;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return Array.isArray(value) ? arrayText(value) : objectText(value);
}

function arrayText(items: readonly unknown[]): string | undefined {
  let text = '[';
  for (const item of items) {
    const itemText = orderedText(item);
    if (itemText === undefined) return undefined;
    text += text === '[' ? itemText : `,${itemText}`;
  }
  return `${text}]`;
}

function objectText(value: object, without?: ReadonlySet<string>): string | undefined {
  let text = '{';
  for (const name of Object.keys(value).sort()) {
    if (without?.has(name)) continue;
    const member = orderedText((value as Record<string, unknown>)[name]);
    if (member === undefined) return undefined;
    text += `${text === '{' ? '' : ','}${JSON.stringify(name)}:${member}`;
  }
  return `${text}}`;
}

function isExact(value: number): boolean {
  return Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value));
}
