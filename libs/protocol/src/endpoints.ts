/**
 * Everything that is asked over the bus: who serves it, what is asked and what is answered. A message
 * is a small value, checked by its schema, and optionally a body of bytes that nobody on the bus reads.
 */
import { z } from 'zod';
import { timeouts } from './configuration.ts';
import type { ServiceName } from './identity.ts';
import { concurrency } from './keys.ts';
import { subjects } from './subjects.ts';
import { usage } from './usage.ts';

/** A message and its body together stay under NATS' default `max_payload` of 1 MiB with room to spare. */
export const MESSAGE_BYTES_MAX = 768 * 1024;

/** One request, one reply. */
export interface Endpoint<Request, Reply> {
  /** For spans: the subject with its variable tokens named. */
  readonly template: string;
  readonly subject: string;
  readonly queueGroup: ServiceName;
  readonly request: z.ZodType<Request>;
  readonly reply: z.ZodType<Reply>;
}

/** One message and no reply: a lost one costs nothing but work done again. */
export interface OneWayEndpoint<Message> {
  readonly template: string;
  readonly subject: string;
  readonly queueGroup: ServiceName;
  readonly message: z.ZodType<Message>;
}

/** One request, a stream of frames for a reply; `Head` opens it. */
export interface StreamEndpoint<Request, Head> {
  readonly template: string;
  readonly subject: string;
  readonly queueGroup: ServiceName;
  readonly request: z.ZodType<Request>;
  readonly head: z.ZodType<Head>;
}

// --- rate limits -------------------------------------------------------------------------------

/** How long a slot of a concurrency limit is held without being renewed. */
export const SLOT_LEASE_MS = 30_000;
/** Limits of one request, and so the scopes in which it can hold slots. */
export const LIMITS_PER_REQUEST_MAX = 16;
/** Requests whose slots are renewed by one message. */
export const RENEWAL_BATCH_MAX = 512;

/** What is counted together, for example `key:<id>`: made of our own ids only. */
const limitScope = z.string().regex(/^[a-z]+:[a-z0-9_-]{1,64}$/);

export const limit = z.discriminatedUnion('kind', [
  /** At most `amount` requests in any window of `windowSeconds`. */
  z.object({
    scope: limitScope,
    kind: z.literal('requests'),
    amount: z.number().int().min(1),
    windowSeconds: z.number().int().min(1),
  }),
  /**
   * At most `amount` requests at the same time. An admitted one holds a slot until it is released,
   * or until `SLOT_LEASE_MS` after it was last renewed.
   */
  z.object({ scope: limitScope, kind: z.literal('concurrency'), amount: concurrency }),
]);

const limitKind = z.enum(['requests', 'concurrency']);

export const reserveRequest = z.object({
  /** A repeated reservation of the same request counts once. */
  requestId: z.uuid(),
  limits: z.array(limit).min(1).max(LIMITS_PER_REQUEST_MAX),
});

export const limitState = z.object({
  scope: z.string(),
  kind: limitKind,
  amount: z.number().int(),
  remaining: z.number().int().nonnegative(),
  /** Until the whole amount is free again if nothing else is asked and no slot is renewed. */
  resetMs: z.number().int().nonnegative(),
});

export const reserveReply = z.object({
  allowed: z.boolean(),
  /** In the order of the request's limits. */
  limits: z.array(limitState),
  /** With a refusal: the limit that is used up, the one with the longest wait if several are. */
  refusedBy: z.object({ scope: z.string(), kind: limitKind }).optional(),
  /** With a refusal: when one more request fits every limit; a guess where a slot must end. */
  retryAfterMs: z.number().int().positive().optional(),
});

/** The slots that a request holds: one in each scope of its concurrency limits. */
export const heldSlots = z.object({
  requestId: z.uuid(),
  scopes: z.array(limitScope).min(1).max(LIMITS_PER_REQUEST_MAX),
});

export const renewSlots = z.object({ held: z.array(heldSlots).min(1).max(RENEWAL_BATCH_MAX) });

export type Limit = z.infer<typeof limit>;
export type LimitState = z.infer<typeof limitState>;
export type ReserveRequest = z.infer<typeof reserveRequest>;
export type ReserveReply = z.infer<typeof reserveReply>;
export type HeldSlots = z.infer<typeof heldSlots>;
export type RenewSlots = z.infer<typeof renewSlots>;

export const reserveEndpoint: Endpoint<ReserveRequest, ReserveReply> = {
  template: subjects.reserve,
  subject: subjects.reserve,
  queueGroup: 'rate-limiter',
  request: reserveRequest,
  reply: reserveReply,
};

/** Gives the slots of a request back. A lost one costs its lease. */
export const releaseSlotsEndpoint: OneWayEndpoint<HeldSlots> = {
  template: subjects.releaseSlots,
  subject: subjects.releaseSlots,
  queueGroup: 'rate-limiter',
  message: heldSlots,
};

/** Holds the slots of running requests for another lease, and takes again those that lapsed. */
export const renewSlotsEndpoint: OneWayEndpoint<RenewSlots> = {
  template: subjects.renewSlots,
  subject: subjects.renewSlots,
  queueGroup: 'rate-limiter',
  message: renewSlots,
};

// --- cache -------------------------------------------------------------------------------------

/** A stored answer: the entry and the exact bytes that the client was sent, at most this many. */
export const CACHED_BODY_BYTES_MAX = 512 * 1024;

/** SHA-256 over tenant, endpoint and canonical request, in hex. */
const cacheKey = z.string().regex(/^[0-9a-f]{64}$/);

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

export const cacheLookupEndpoint: Endpoint<LookupRequest, LookupReply> = {
  template: subjects.cacheLookup,
  subject: subjects.cacheLookup,
  queueGroup: 'cache',
  request: lookupRequest,
  reply: lookupReply,
};

export const cacheStoreEndpoint: OneWayEndpoint<StoreMessage> = {
  template: subjects.cacheStore,
  subject: subjects.cacheStore,
  queueGroup: 'cache',
  message: storeMessage,
};

// --- inference ---------------------------------------------------------------------------------

/** A dialect that clients speak. */
export const clientDialect = z.enum(['chat', 'messages', 'gemini', 'responses']);
export type ClientDialect = z.infer<typeof clientDialect>;

/** What a client asks for: an answer, embeddings, or how many tokens its prompt has. */
export const operation = z.enum(['generate', 'embed', 'count-tokens']);
export type Operation = z.infer<typeof operation>;

/** Characters of a client's header that goes on to the provider. */
export const PASSED_HEADER_CHARACTERS_MAX = 2_048;

const passedHeader = z
  .string()
  .max(PASSED_HEADER_CHARACTERS_MAX)
  .regex(/^[\x20-\x7e]*$/)
  .optional();

/**
 * Headers of the client that a provider of the same dialect gets: they say how the body is to be
 * read. Nothing else that a client sends as a header leaves the gateway.
 */
export const passedHeaders = z.object({
  'anthropic-version': passedHeader,
  'anthropic-beta': passedHeader,
});
export type PassedHeaders = z.infer<typeof passedHeaders>;

/** The key of a tenant for the ids of its kept responses: HMAC-SHA256 in hex. */
const stateKey = z.string().regex(/^[0-9a-f]{64}$/);

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

export type InferenceRequest = z.infer<typeof inferenceRequest>;
export type InferenceHead = z.infer<typeof inferenceHead>;

export function inferenceEndpoint(
  provider: string,
): StreamEndpoint<InferenceRequest, InferenceHead> {
  return {
    template: subjects.inference('<provider>'),
    subject: subjects.inference(provider),
    queueGroup: 'provider-worker',
    request: inferenceRequest,
    head: inferenceHead,
  };
}

// --- models ------------------------------------------------------------------------------------

export const modelsRequest = z.object({ configurationRevision: z.string() });

export const modelsReply = z.object({
  models: z.array(z.object({ id: z.string(), created: z.number().int().optional() })).max(5000),
});

export type ModelsRequest = z.infer<typeof modelsRequest>;
export type ModelsReply = z.infer<typeof modelsReply>;

/** The models that a provider offers, as the provider itself lists them. */
export function modelsEndpoint(provider: string): Endpoint<ModelsRequest, ModelsReply> {
  return {
    template: subjects.models('<provider>'),
    subject: subjects.models(provider),
    queueGroup: 'provider-worker',
    request: modelsRequest,
    reply: modelsReply,
  };
}

// --- kept responses ----------------------------------------------------------------------------

/** A kept response as the provider gives it out: with the message, it has to fit into a reply. */
export const KEPT_RESPONSE_BYTES_MAX = 640 * 1024;
const QUERY_PARAMETERS_MAX = 32;

export const keptResponseRequest = z.object({
  requestId: z.uuid(),
  configurationRevision: z.string(),
  action: z.enum(['get', 'delete', 'input-items']),
  /** The provider's own id of the response. */
  id: z.string().min(1).max(512),
  stateKey,
  query: z.array(z.tuple([z.string().max(64), z.string().max(512)])).max(QUERY_PARAMETERS_MAX),
});

/** The reply's body is the client's. */
export const keptResponseReply = z.object({ contentType: z.string() });

export type KeptResponseRequest = z.infer<typeof keptResponseRequest>;
export type KeptResponseReply = z.infer<typeof keptResponseReply>;

/** What a provider keeps of an earlier response. */
export function keptResponseEndpoint(
  provider: string,
): Endpoint<KeptResponseRequest, KeptResponseReply> {
  return {
    template: subjects.keptResponses('<provider>'),
    subject: subjects.keptResponses(provider),
    queueGroup: 'provider-worker',
    request: keptResponseRequest,
    reply: keptResponseReply,
  };
}
