/**
 * What is written on behalf of an ingress that died: the assumed end of its request, and an attempt
 * that nothing is known of where one may have run. Every replica makes the same events from the same
 * row, so that they are stored once.
 */
import {
  type AttemptedEvent,
  ERRORS,
  type ErrorCode,
  EVENT_SCHEMA,
  type FinishedEvent,
  NO_USAGE,
  type Usage,
} from '@gateway/protocol';
import { z } from 'zod';
import { ATTEMPTS_MAX, TOKENS_MAX } from './event-columns.ts';

const tokens = z.number().int().nonnegative();

/** A request whose deadline has passed without its end. Times are in milliseconds since 1970. */
export const openRequest = z.object({
  request_id: z.uuid(),
  received_at: z.number().int().nonnegative(),
  deadline_at: z.number().int().nonnegative(),
  tenant: z.string(),
  key_id: z.string(),
  endpoint: z.string(),
  method: z.string(),
  model: z.string(),
  stream: z.boolean(),
  client_ip: z.string(),
  user_agent: z.string(),
  trace_id: z.string().nullable(),
  config_revision: z.string(),
  /** In the order of their numbers. */
  attempts: z.array(
    z.object({
      attempt: z.number().int().positive(),
      provider: z.string(),
      model: z.string(),
      error_code: z.string().nullable(),
      input_tokens: tokens,
      output_tokens: tokens,
      cached_tokens: tokens,
      cache_write_tokens: tokens,
      reasoning_tokens: tokens,
    }),
  ),
});

export type OpenRequest = z.infer<typeof openRequest>;

/** The attempt comes first: once the end is stored, nobody looks at the request again. */
export function closingEvents(request: OpenRequest): readonly (AttemptedEvent | FinishedEvent)[] {
  const last = request.attempts.at(-1);
  const mayHaveRun = last === undefined || mayFailOver(last.error_code);
  const number = (last?.attempt ?? 0) + 1;
  const unknown = mayHaveRun && number <= ATTEMPTS_MAX ? [unknownAttempt(request, number)] : [];
  return [...unknown, abandonedEnd(request, unknown.length)];
}

function mayFailOver(errorCode: string | null): boolean {
  return errorCode !== null && errorCode in ERRORS && ERRORS[errorCode as ErrorCode].failover;
}

/** The empty provider marks it, also in the view of the audit. */
function unknownAttempt(request: OpenRequest, attempt: number): AttemptedEvent {
  return {
    kind: 'attempted',
    schema: EVENT_SCHEMA,
    requestId: request.request_id,
    attempt,
    at: request.received_at,
    tenant: request.tenant,
    provider: '',
    model: request.model,
    errorCode: 'ingress_lost',
    finishReasons: [],
    usage: NO_USAGE,
    usageSource: 'unknown',
    latencyMs: 0,
    assumed: true,
  };
}

/** By its deadline the request had ended, which is all that is known of when. */
function abandonedEnd(request: OpenRequest, unknownAttempts: number): FinishedEvent {
  const { attempts, trace_id: traceId } = request;
  const last = attempts.at(-1);
  const answered = last !== undefined && last.error_code === null && last.provider !== '';
  const attemptCount = attempts.length + unknownAttempts;
  return {
    kind: 'finished',
    schema: EVENT_SCHEMA,
    requestId: request.request_id,
    receivedAt: request.received_at,
    tenant: request.tenant,
    keyId: request.key_id,
    endpoint: request.endpoint,
    method: request.method,
    model: request.model,
    stream: request.stream,
    clientIp: request.client_ip,
    userAgent: request.user_agent,
    ...(traceId !== null && { traceId }),
    configurationRevision: request.config_revision,
    finishedAt: request.deadline_at,
    status: ERRORS.ingress_lost.status,
    errorCode: 'ingress_lost',
    ended: 'abandoned',
    attempts: attemptCount,
    ...(answered && { provider: last.provider, targetModel: last.model }),
    cacheOutcome: attempts.length > 0 ? 'miss' : 'bypass',
    usage: usageOf(attempts),
    latencyMs: Math.max(0, request.deadline_at - request.received_at),
    responseBytes: 0,
    assumed: true,
  };
}

function usageOf(attempts: OpenRequest['attempts']): Usage {
  const sum = (
    field: Exclude<keyof (typeof attempts)[number], 'provider' | 'model' | 'error_code'>,
  ) =>
    Math.min(
      TOKENS_MAX,
      attempts.reduce((total, attempt) => total + attempt[field], 0),
    );
  return {
    inputTokens: sum('input_tokens'),
    outputTokens: sum('output_tokens'),
    cachedInputTokens: sum('cached_tokens'),
    cacheWriteInputTokens: sum('cache_write_tokens'),
    reasoningTokens: sum('reasoning_tokens'),
  };
}
