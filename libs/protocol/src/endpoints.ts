/**
 * Everything that is asked over the bus: who serves it, what is asked and what is answered. A message
 * is a small value, checked by its schema, and optionally a body of bytes that nobody on the bus reads.
 */
import { z } from 'zod';
import {
  isLookupReply,
  isLookupRequest,
  isStoreMessage,
  type LookupReply,
  type LookupRequest,
  lookupReply,
  lookupRequest,
  type StoreMessage,
  storeMessage,
} from './cache-messages.ts';
import { type Check, exactOr } from './exact-check.ts';
import type { ServiceName } from './identity.ts';
import {
  type InferenceHead,
  type InferenceRequest,
  inferenceHead,
  inferenceRequest,
  isInferenceHead,
  isInferenceRequest,
  stateKey,
} from './inference-messages.ts';
import {
  type HeldSlots,
  heldSlots,
  isHeldSlots,
  isRenewSlots,
  isReserveReply,
  isReserveRequest,
  type RenewSlots,
  type ReserveReply,
  type ReserveRequest,
  renewSlots,
  reserveReply,
  reserveRequest,
} from './limit-messages.ts';
import { subjects } from './subjects.ts';

/** A message and its body together stay under NATS' default `max_payload` of 1 MiB with room to spare. */
export const MESSAGE_BYTES_MAX = 768 * 1024;

/** One request, one reply. */
export interface Endpoint<Request, Reply> {
  /** For spans: the subject with its variable tokens named. */
  readonly template: string;
  readonly subject: string;
  readonly queueGroup: ServiceName;
  readonly request: Check<Request>;
  readonly reply: Check<Reply>;
}

/** One message and no reply: a lost one costs nothing but work done again. */
export interface OneWayEndpoint<Message> {
  readonly template: string;
  readonly subject: string;
  readonly queueGroup: ServiceName;
  readonly message: Check<Message>;
}

/** One request, a stream of frames for a reply; `Head` opens it. */
export interface StreamEndpoint<Request, Head> {
  readonly template: string;
  readonly subject: string;
  readonly queueGroup: ServiceName;
  readonly request: Check<Request>;
  readonly head: Check<Head>;
}

// --- rate limits -------------------------------------------------------------------------------

export const reserveEndpoint: Endpoint<ReserveRequest, ReserveReply> = {
  template: subjects.reserve,
  subject: subjects.reserve,
  queueGroup: 'rate-limiter',
  request: exactOr(isReserveRequest, reserveRequest),
  reply: exactOr(isReserveReply, reserveReply),
};

/** Gives the slots of a request back. A lost one costs its lease. */
export const releaseSlotsEndpoint: OneWayEndpoint<HeldSlots> = {
  template: subjects.releaseSlots,
  subject: subjects.releaseSlots,
  queueGroup: 'rate-limiter',
  message: exactOr(isHeldSlots, heldSlots),
};

/** Holds the slots of running requests for another lease, and takes again those that lapsed. */
export const renewSlotsEndpoint: OneWayEndpoint<RenewSlots> = {
  template: subjects.renewSlots,
  subject: subjects.renewSlots,
  queueGroup: 'rate-limiter',
  message: exactOr(isRenewSlots, renewSlots),
};

// --- cache -------------------------------------------------------------------------------------

export const cacheLookupEndpoint: Endpoint<LookupRequest, LookupReply> = {
  template: subjects.cacheLookup,
  subject: subjects.cacheLookup,
  queueGroup: 'cache',
  request: exactOr(isLookupRequest, lookupRequest),
  reply: exactOr(isLookupReply, lookupReply),
};

export const cacheStoreEndpoint: OneWayEndpoint<StoreMessage> = {
  template: subjects.cacheStore,
  subject: subjects.cacheStore,
  queueGroup: 'cache',
  message: exactOr(isStoreMessage, storeMessage),
};

// --- inference ---------------------------------------------------------------------------------

const requestOfInference = exactOr(isInferenceRequest, inferenceRequest);
const headOfInference = exactOr(isInferenceHead, inferenceHead);

export function inferenceEndpoint(
  provider: string,
): StreamEndpoint<InferenceRequest, InferenceHead> {
  return {
    template: subjects.inference('<provider>'),
    subject: subjects.inference(provider),
    queueGroup: 'provider-worker',
    request: requestOfInference,
    head: headOfInference,
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
