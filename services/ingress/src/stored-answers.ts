/** Answers that the cache has kept: whether one is asked for, and the question. */
import type { Bus, Message } from '@gateway/bus';
import {
  type CacheEntry,
  type Configuration,
  cacheLookupEndpoint,
  type InferenceRequest,
  type LookupReply,
} from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import { cacheKey } from './cache-key.ts';
import { cacheDirective } from './cacheability.ts';
import type { RequestFacts } from './client-edge.ts';
import { OptionalService } from './optional-service.ts';
import type { Plan } from './plan.ts';
import type { ClientRequest } from './request-record.ts';

/** Without an answer of the cache in this time a request goes on without it. */
const TIMEOUT_MS = 250;

const BYPASS = Promise.resolve('bypass' as const);

export interface StoredAnswer {
  readonly entry: CacheEntry;
  readonly body: Uint8Array;
}

/** Where the answer of a request may be found and kept; undefined when neither. */
export type CachePlan = InferenceRequest['cache'];

/** Throws `invalid_request`. */
export function planCache(
  request: ClientRequest,
  { deterministic, parsed }: RequestFacts,
  { targets }: Plan,
  { cache: policy }: Configuration,
): CachePlan {
  const directive = cacheDirective({
    ttl: request.header('x-gateway-cache-ttl'),
    bypass: request.header('x-gateway-cache-bypass'),
    deterministic,
    policy,
  });
  if (directive.kind !== 'use') return undefined;
  const { endpoint, key: client } = request;
  const key = cacheKey({ tenant: client.tenant, endpoint, targets, body: parsed });
  return key === undefined ? undefined : { key, ttlSeconds: directive.ttlSeconds };
}

export class StoredAnswers {
  readonly #bus: Bus;
  readonly #cache: OptionalService;

  constructor(bus: Bus, logger: Logger) {
    this.#bus = bus;
    this.#cache = new OptionalService({ name: 'cache', logger });
  }

  /** A stored answer, `miss`, or `bypass` when the cache is not to be, or cannot be, asked. */
  lookUp(
    { key: { tenant } }: ClientRequest,
    plan: CachePlan,
    deadlineAt: number,
  ): Promise<StoredAnswer | 'miss' | 'bypass'> {
    if (plan === undefined) return BYPASS;
    const timeoutMs = Math.max(1, Math.min(TIMEOUT_MS, deadlineAt - Date.now()));
    const message = { value: { tenant, key: plan.key } };
    return this.#cache
      .ask(() => this.#bus.request(cacheLookupEndpoint, message, { timeoutMs }))
      .then(readReply);
  }
}

function readReply(reply: Message<LookupReply> | undefined): StoredAnswer | 'miss' | 'bypass' {
  if (reply === undefined) return 'bypass';
  const { value, body } = reply;
  return value.entry && body ? { entry: value.entry, body } : 'miss';
}
