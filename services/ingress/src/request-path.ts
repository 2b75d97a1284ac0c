/**
 * One request from its body to its last byte. Read this first.
 *
 *     parse → plan → admit (limiter, cache, `received`: one round trip, in parallel)
 *           → a stored answer is replayed, or the targets are tried in order
 *           → answered, refused or interrupted → `finished`
 *
 * Nothing is sent to a provider before `received` is durable. An authenticated refusal is durable
 * before it is sent. Failover to the next target happens only before the first byte of an answer.
 */
import type { Bus, Message } from '@gateway/bus';
import {
  type CacheEntry,
  type Configuration,
  cacheLookupEndpoint,
  ERRORS,
  GatewayError,
  type InferenceRequest,
  type Limit,
  type LookupReply,
  type ReserveReply,
  reserveEndpoint,
  toGatewayError,
} from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import { type AttemptContext, attemptTarget } from './attempt-target.ts';
import { cacheKey } from './cache-key.ts';
import { type CacheDirective, cacheDirective } from './cacheability.ts';
import type { ClientEdge, RequestFacts } from './client-edge.ts';
import type { ClientReply } from './client-reply.ts';
import type { Ledger } from './ledger.ts';
import { type Plan, type PlannedTarget, planRequest } from './plan.ts';
import { type ClientRequest, RequestRecord } from './request-record.ts';

/** Without an answer of the limiter in this time the request is refused. */
const LIMITER_TIMEOUT_MS = 1_000;
/** Without an answer of the cache in this time the request goes on without it. */
const CACHE_TIMEOUT_MS = 250;
/** The status on record of an answer that its client did not wait for; never sent. */
const CLIENT_CLOSED_STATUS = ERRORS.client_closed.status;

export interface RequestPath {
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly configuration: Configuration;
  readonly logger: Logger;
}

interface StoredAnswer {
  readonly entry: CacheEntry;
  readonly body: Uint8Array;
}

/** Answers the client, whatever happens. Never rejects. */
export async function answerInference(
  request: ClientRequest,
  edge: ClientEdge,
  reply: ClientReply,
  path: RequestPath,
): Promise<void> {
  const record = new RequestRecord(request, path.configuration.revision);
  try {
    path.ledger.admit();
    const facts = edge.parse(request);
    record.asksFor(facts.model, facts.stream);
    const plan = planRequest(path.configuration, request.key, facts.model, facts.onlyProvider);
    const cache = planCache(request, facts, plan, path.configuration);
    const deadlineAt = request.receivedAt + plan.timeouts.totalMs;
    const [reservation, stored] = await Promise.all([
      reserve(request, path),
      lookUp(request, cache, path),
      path.ledger.record(record.received(deadlineAt)),
    ]);
    if (reservation) enforce(reservation, record);
    if (stored === 'miss') record.missed();
    if (typeof stored === 'object') await replay(stored, facts, reply, record);
    else {
      const { bus, ledger } = path;
      const context = { request, reply, record, deadlineAt, bus, ledger };
      const inference = inferenceRequest(request, edge, facts, plan, cache, path);
      await infer(inference, plan, context);
    }
    await reply.settled();
    finish(record, reply, path);
  } catch (thrown) {
    await refuse(toGatewayError(thrown), record, reply, path);
  }
}

interface CachePlan {
  readonly directive: CacheDirective;
  readonly key: string | undefined;
}

function planCache(
  request: ClientRequest,
  facts: RequestFacts,
  { targets }: Plan,
  { cache: policy }: Configuration,
): CachePlan {
  const directive = cacheDirective({
    ttl: request.header('x-gateway-cache-ttl'),
    bypass: request.header('x-gateway-cache-bypass'),
    deterministic: facts.deterministic,
    policy,
  });
  if (directive.kind !== 'use') return { directive, key: undefined };
  const { endpoint, key } = request;
  return {
    directive,
    key: cacheKey({ tenant: key.tenant, endpoint, targets, body: facts.parsed }),
  };
}

/** The limits that bind the key, or undefined when none does and the limiter need not be asked. */
async function reserve(
  { requestId, key }: ClientRequest,
  { bus, configuration }: RequestPath,
): Promise<ReserveReply | undefined> {
  const keyLimit = key.limit ?? configuration.keyLimit;
  if (!keyLimit) return undefined;
  const limit: Limit = {
    scope: `key:${key.id}`,
    kind: 'requests',
    amount: keyLimit.requests,
    windowSeconds: keyLimit.windowSeconds,
  };
  const message = { value: { requestId, limits: [limit] } };
  try {
    const reply = await bus.request(reserveEndpoint, message, { timeoutMs: LIMITER_TIMEOUT_MS });
    return reply.value;
  } catch (error) {
    throw new GatewayError('limiter_unavailable', 'Rate limits cannot be checked at the moment.', {
      cause: error,
      detail: toGatewayError(error).code,
    });
  }
}

function enforce(reservation: ReserveReply, record: RequestRecord): void {
  record.limitedBy(reservation.limits);
  if (reservation.allowed) return;
  throw new GatewayError('rate_limited', 'Rate limit of this key reached. Try again later.', {
    ...(reservation.retryAfterMs !== undefined && { retryAfterMs: reservation.retryAfterMs }),
  });
}

/** A stored answer, `miss`, or `bypass` when the cache is not to be, or cannot be, asked. */
async function lookUp(
  { key: { tenant } }: ClientRequest,
  { key }: CachePlan,
  { bus, logger }: RequestPath,
): Promise<StoredAnswer | 'miss' | 'bypass'> {
  if (key === undefined) return 'bypass';
  try {
    const message = { value: { tenant, key } };
    const reply = await bus.request(cacheLookupEndpoint, message, { timeoutMs: CACHE_TIMEOUT_MS });
    return storedAnswer(reply);
  } catch (error) {
    logger.warn({ error }, 'the cache did not answer, going on without it');
    return 'bypass';
  }
}

function storedAnswer({ value, body }: Message<LookupReply>): StoredAnswer | 'miss' {
  return value.entry && body ? { entry: value.entry, body } : 'miss';
}

async function replay(
  { entry, body }: StoredAnswer,
  { stream }: RequestFacts,
  reply: ClientReply,
  record: RequestRecord,
): Promise<void> {
  record.hit(entry);
  if (!stream) {
    reply.sendWhole(200, entry.contentType, body, record.headers());
    return;
  }
  reply.begin(entry.contentType, record.headers());
  reply.end(body);
}

function inferenceRequest(
  { requestId, key }: ClientRequest,
  { dialect }: ClientEdge,
  facts: RequestFacts,
  { timeouts }: Plan,
  cache: CachePlan,
  { configuration }: RequestPath,
): Omit<InferenceRequest, 'target'> {
  const { directive, key: cachedUnder } = cache;
  return {
    requestId,
    tenant: key.tenant,
    dialect,
    ...facts.more,
    model: facts.model,
    configurationRevision: configuration.revision,
    stream: facts.stream,
    includeUsage: facts.includeUsage,
    timeouts,
    ...(directive.kind === 'use' &&
      cachedUnder !== undefined && {
        cache: { key: cachedUnder, ttlSeconds: directive.ttlSeconds },
      }),
  };
}

/**
 * Tries the targets in order until one answers; a target whose worker died is tried once more, since
 * another worker may serve it. Nothing is tried for a client that left. Throws the last error.
 */
async function infer(
  inference: Omit<InferenceRequest, 'target'>,
  { targets }: Plan,
  context: AttemptContext,
): Promise<void> {
  const { reply } = context;
  const untried = [...targets];
  const repeated = new Set<PlannedTarget>();
  let attempt = 0;
  for (let target = untried.shift(); target; target = untried.shift()) {
    reply.gone.throwIfAborted();
    attempt += 1;
    const failure = await attemptTarget({ ...inference, target }, attempt, context);
    if (!failure) return;
    if (failure.code === 'worker_lost' && !repeated.has(target)) {
      repeated.add(target);
      untried.unshift(target);
    }
    const isFinal = !failure.mayFailOver || reply.begun || reply.gone.aborted;
    if (isFinal || untried.length === 0) throw failure;
  }
}

function finish(record: RequestRecord, reply: ClientReply, { ledger }: RequestPath): void {
  const { status = CLIENT_CLOSED_STATUS, bytes, firstByteAt } = reply;
  const ended = reply.gone.aborted ? 'client_closed' : 'complete';
  ledger.recordLater(record.finished({ status, ended, bytes, firstByteAt }));
}

/** Says the error to the client: as an answer when nothing was sent yet, else inside the stream. */
async function refuse(
  error: GatewayError,
  record: RequestRecord,
  reply: ClientReply,
  path: RequestPath,
): Promise<void> {
  path.logger[error.code === 'internal' ? 'error' : 'info'](
    { ...record.logFields(), code: error.code, detail: error.facts.detail, cause: error.cause },
    'request failed',
  );
  if (!reply.begun && !reply.gone.aborted) {
    const said = await recordRefusal(error, record, reply, path);
    reply.sendError(said, record.attempts, record.headers());
    return;
  }
  const ended = reply.gone.aborted ? 'client_closed' : 'interrupted';
  reply.interrupt(error, record.requestId);
  await reply.settled();
  const { status = CLIENT_CLOSED_STATUS, bytes, firstByteAt } = reply;
  path.ledger.recordLater(record.finished({ status, ended, error, bytes, firstByteAt }));
}

/** Resolves with what may be said: the error once it is durable, else that it cannot be recorded. */
async function recordRefusal(
  error: GatewayError,
  record: RequestRecord,
  reply: ClientReply,
  { ledger }: RequestPath,
): Promise<GatewayError> {
  const ended = record.attempts > 0 ? 'failed' : 'refused';
  const eventOf = (said: GatewayError) =>
    record.finished({
      status: reply.statusOf(said),
      ended,
      error: said,
      bytes: 0,
      firstByteAt: undefined,
    });
  let said = error;
  if (error.code !== 'audit_unavailable') {
    const event = eventOf(error);
    const failure = await ledger.record(event).then(() => undefined, toGatewayError);
    if (failure === undefined) return error;
    said = failure;
  }
  // What was spent must be known in the end; a request that spent nothing may be forgotten.
  if (record.attempts > 0 || !ledger.isFull) ledger.recordLater(eventOf(said));
  return said;
}
