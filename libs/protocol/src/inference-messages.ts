/** What is said to a provider-worker and back, and the predicates of what every call says. */
import { z } from 'zod';
import { cacheKey, isCacheKey } from './cache-messages.ts';
import { isTimeouts, timeouts } from './configuration.ts';
import {
  fieldsOf,
  hasFields,
  isBoolean,
  isBooleanOrAbsent,
  isRequestId,
  isText,
  isWhole,
  present,
} from './exact-check.ts';

/** A dialect that clients speak. */
export const clientDialect = z.enum(['chat', 'messages', 'gemini', 'responses']);
export type ClientDialect = z.infer<typeof clientDialect>;

/** What a client asks for: an answer, embeddings, or how many tokens its prompt has. */
export const operation = z.enum(['generate', 'embed', 'count-tokens']);
export type Operation = z.infer<typeof operation>;

/** Characters of a client's header that goes on to the provider. */
export const PASSED_HEADER_CHARACTERS_MAX = 2_048;

const PASSED_HEADER = /^[\x20-\x7e]*$/;
const passedHeader = z.string().max(PASSED_HEADER_CHARACTERS_MAX).regex(PASSED_HEADER).optional();

/**
 * Headers of the client that a provider of the same dialect gets: they say how the body is to be
 * read. Nothing else that a client sends as a header leaves the gateway.
 */
export const passedHeaders = z.object({
  'anthropic-version': passedHeader,
  'anthropic-beta': passedHeader,
});
export type PassedHeaders = z.infer<typeof passedHeaders>;

const STATE_KEY = /^[0-9a-f]{64}$/;
/** The key of a tenant for the ids of its kept responses: HMAC-SHA256 in hex. */
export const stateKey = z.string().regex(STATE_KEY);

/** The body of the message is the client's request body, byte for byte. */
export const inferenceRequest = z.object({
  requestId: z.uuid(),
  tenant: z.string(),
  dialect: clientDialect,
  /** `generate` when absent. */
  operation: operation.optional(),
  /** The model as the client named it. */
  model: z.string(),
  target: z.object({ provider: z.string(), model: z.string() }),
  configurationRevision: z.string(),
  stream: z.boolean(),
  /** Clients of responses alone: signs the ids of the tenant's kept responses. */
  stateKey: stateKey.optional(),
  /** Whether the client asked for a usage chunk at the end of its stream. */
  includeUsage: z.boolean(),
  /** Google's clients alone: the stream is a JSON array rather than events. */
  arrayStream: z.boolean().optional(),
  headers: passedHeaders.optional(),
  timeouts,
  /** Present when the answer is to be stored. */
  cache: z.object({ key: cacheKey, ttlSeconds: z.number().int().positive() }).optional(),
});

export const inferenceHead = z.object({
  contentType: z.string(),
  provider: z.string(),
  /** The provider's name of the model that answers. */
  model: z.string(),
});

/** Without the optional ones. */
const INFERENCE_FIELDS = 9;
const DIALECTS: readonly unknown[] = clientDialect.options;
const OPERATIONS: readonly unknown[] = operation.options;

export type InferenceRequest = z.infer<typeof inferenceRequest>;
export type InferenceHead = z.infer<typeof inferenceHead>;

export function isInferenceRequest(value: unknown): boolean {
  const fields = fieldsOf(value);
  const { operation, stateKey, arrayStream, headers, cache } = fields;
  const optionalFields =
    present(operation) +
    present(stateKey) +
    present(arrayStream) +
    present(headers) +
    present(cache);
  return (
    isRequestId(fields.requestId) &&
    isText(fields.tenant) &&
    DIALECTS.includes(fields.dialect) &&
    (operation === undefined || OPERATIONS.includes(operation)) &&
    isText(fields.model) &&
    isTarget(fields.target) &&
    isText(fields.configurationRevision) &&
    isBoolean(fields.stream) &&
    (stateKey === undefined || (isText(stateKey) && STATE_KEY.test(stateKey))) &&
    isBoolean(fields.includeUsage) &&
    isBooleanOrAbsent(arrayStream) &&
    (headers === undefined || isPassedHeaders(headers)) &&
    isTimeouts(fields.timeouts) &&
    (cache === undefined || isCachePlan(cache)) &&
    hasFields(value, INFERENCE_FIELDS + optionalFields)
  );
}

function isTarget(value: unknown): boolean {
  const { provider, model } = fieldsOf(value);
  return isText(provider) && isText(model) && hasFields(value, 2);
}

function isPassedHeaders(value: unknown): boolean {
  const { 'anthropic-version': version, 'anthropic-beta': beta } = fieldsOf(value);
  return (
    isPassedHeader(version) &&
    isPassedHeader(beta) &&
    hasFields(value, present(version) + present(beta))
  );
}

function isPassedHeader(value: unknown): boolean {
  if (value === undefined) return true;
  return isText(value) && value.length <= PASSED_HEADER_CHARACTERS_MAX && PASSED_HEADER.test(value);
}

function isCachePlan(value: unknown): boolean {
  const { key, ttlSeconds } = fieldsOf(value);
  return isCacheKey(key) && isWhole(ttlSeconds, 1) && hasFields(value, 2);
}

export function isInferenceHead(value: unknown): boolean {
  const { contentType, provider, model } = fieldsOf(value);
  return isText(contentType) && isText(provider) && isText(model) && hasFields(value, 3);
}
