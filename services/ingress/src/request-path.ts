/**
 * One request from its body to its last byte. Read this first.
 *
 *     parse → plan → admit (limits, cache, `received`: one round trip, in parallel)
 *           → a stored answer is replayed, or the targets are tried until one answers
 *           → answered, refused or interrupted → `finished`
 *
 * Nothing is sent to a provider before `received` is durable. An authenticated refusal is durable
 * before it is sent. Another target or worker is tried only before the first byte of an answer.
 * Slots that the request holds are given back before its last byte, whatever that says.
 */
import type { Bus } from '@gateway/bus';
import {
  type Configuration,
  ERRORS,
  GatewayError,
  type InferenceRequest,
  type ReserveReply,
  toGatewayError,
} from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import type { ByteBudget } from './byte-budget.ts';
import type { ClientEdge, RequestFacts } from './client-edge.ts';
import type { ClientReply } from './client-reply.ts';
import type { Ledger } from './ledger.ts';
import { enforce, type Limits } from './limits.ts';
import { type Plan, planRequest } from './plan.ts';
import { Prompt } from './prompt.ts';
import { type ClientRequest, RequestRecord } from './request-record.ts';
import type { RetryBudget } from './retry-budget.ts';
import type { RunningCalls } from './running-calls.ts';
import {
  type CachePlan,
  planCache,
  type StoredAnswer,
  type StoredAnswers,
} from './stored-answers.ts';
import { tryTargets } from './try-targets.ts';

/** Without JetStream's acknowledgement in this time a request is refused. */
const RECEIVED_TIMEOUT_MS = 1_000;
/**
 * After the deadline, a worker may still say what was spent, and a slow client take what was said.
 * Shorter than the grace after which the audit-writer takes a request for abandoned.
 */
const LAST_BYTES_MS = 10_000;
/** The status on record of an answer that its client did not wait for; never sent. */
const CLIENT_CLOSED_STATUS = ERRORS.client_closed.status;

export interface RequestPath {
  readonly bus: Bus;
  readonly ledger: Ledger;
  readonly configuration: Configuration;
  readonly limits: Limits;
  readonly storedAnswers: StoredAnswers;
  readonly retryBudget: RetryBudget;
  readonly byteBudget: ByteBudget;
  readonly calls: RunningCalls;
  /** Aborts when whatever still runs must end. */
  readonly drainEnding: AbortSignal;
  readonly logger: Logger;
}

/** Answers the client, whatever happens. Never rejects. */
export async function answerInference(
  request: ClientRequest,
  edge: ClientEdge,
  reply: ClientReply,
  path: RequestPath,
): Promise<void> {
  const record = new RequestRecord(request, path.configuration.revision);
  reply.beforeLastByte(() => path.limits.release(request.requestId));
  try {
    path.ledger.admit();
    checkBus(path.bus);
    const facts = edge.parse(request);
    record.asksFor(facts.model, facts.stream);
    const plan = planRequest(path.configuration, request.key, facts.model, facts.onlyProvider);
    const cache = planCache(request, facts, plan, path.configuration);
    const deadlineAt = request.receivedAt + plan.timeouts.totalMs;
    reply.cutOffAt(deadlineAt + LAST_BYTES_MS);
    const { reservation, stored } = await admit(request, cache, record, deadlineAt, path);
    if (reservation) {
      record.limitedBy(reservation.limits);
      enforce(reservation);
    }
    if (stored === 'miss') record.missed();
    if (typeof stored === 'object') await replay(stored, facts, reply, record);
    else {
      const prompt = new Prompt(request, facts);
      const { finishesAlone } = plan;
      const context = { ...path, prompt, finishesAlone, reply, record, deadlineAt };
      const inference = inferenceRequest(request, edge, facts, plan, cache, path);
      await tryTargets(inference, plan, context, path.retryBudget);
    }
    await reply.settled();
    finish(record, reply, path);
  } catch (thrown) {
    await refuse(toGatewayError(thrown), record, reply, path);
  } finally {
    path.limits.release(request.requestId);
  }
}

/** In an outage nothing is asked of anybody, so that its refusals are quick. */
function checkBus({ outage }: Bus): void {
  if (outage === undefined) return;
  const message = 'The message bus is not available at the moment.';
  throw new GatewayError('bus_unavailable', message, { detail: outage });
}

interface Admission {
  readonly reservation: ReserveReply | undefined;
  readonly stored: StoredAnswer | 'miss' | 'bypass';
}

/**
 * One round trip for all, which all have ended when it does: what a reservation holds can then be given
 * back. That a request cannot be recorded outranks that it cannot be limited.
 */
async function admit(
  request: ClientRequest,
  cache: CachePlan,
  record: RequestRecord,
  deadlineAt: number,
  { bus, limits, storedAnswers }: RequestPath,
): Promise<Admission> {
  const receiving = bus.publish(record.received(deadlineAt), { timeoutMs: RECEIVED_TIMEOUT_MS });
  // A value from the start: it may fail while another is waited for.
  const reserving = limits.reserve(request, deadlineAt).catch(toGatewayError);
  const lookingUp = storedAnswers.lookUp(request, cache, deadlineAt);
  let failure: GatewayError | undefined;
  try {
    await receiving;
  } catch (error) {
    failure = toGatewayError(error);
  }
  const reservation = await reserving;
  const stored = await lookingUp;
  const isReserved = !(reservation instanceof GatewayError);
  if (failure === undefined && isReserved) return { reservation, stored };
  // An outage that begins now makes all of them fail, each in its own words.
  checkBus(bus);
  throw failure ?? reservation;
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
    ...(cache && { cache }),
  };
}

function finish(record: RequestRecord, reply: ClientReply, { ledger }: RequestPath): void {
  const { status = CLIENT_CLOSED_STATUS, bytes, firstByteAt } = reply;
  const ended = reply.isGone ? 'client_closed' : 'complete';
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
  if (!reply.begun && !reply.isGone) {
    const said = await recordRefusal(error, record, reply, path);
    reply.sendError(said, record.requestId, record.attempts, record.headers());
    return;
  }
  const ended = reply.isGone ? 'client_closed' : 'interrupted';
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
  if (record.attempts > 0 || ledger.outage === undefined) ledger.recordLater(eventOf(said));
  return said;
}
