/**
 * What an event says, as columns of the database. Texts are cut to what a row may hold, so that a
 * page of rows fits a message; numbers that no honest event has are refused.
 *
 * Each group of columns has an order that ranks it among events for the same group: a rank, then a
 * digest of the columns, so that any two events have a winner and it is always the same.
 */
import { createHash } from 'node:crypto';
import {
  type AttemptedEvent,
  type ControlEvent,
  type FinishedEvent,
  NO_USAGE,
  type ReceivedEvent,
  requestIdTime,
  type Usage,
} from '@gateway/protocol';
import { costOf } from './prices.ts';

/** The numbers of attempts that a row holds: far more than a plan has targets. */
export const ATTEMPTS_MAX = 64;
export const TOKENS_MAX = 1_000_000_000_000;
export const TEXT_LENGTH_MAX = 256;
export const USER_AGENT_LENGTH_MAX = 1_024;
const FINISH_REASONS_MAX = 16;
/** The last millisecond of the year 9999. */
const TIME_MAX_MS = 253_402_300_799_999;
const DURATION_MAX_MS = 1e12;
const STATUS_MAX = 999;
/** The largest number that its column holds. */
export const REFUSALS_MAX = 2 ** 31 - 1;

/** The event can never be stored as it is. The message holds no value of it. */
export class UnstorableEvent extends Error {
  override readonly name = 'UnstorableEvent';
}

export interface FactsColumns {
  readonly time: string;
  readonly tenant: string;
  readonly key_id: string;
  readonly endpoint: string;
  readonly method: string;
  readonly model: string;
  readonly stream: boolean;
  readonly client_ip: string;
  readonly user_agent: string;
  readonly trace_id: string | null;
  readonly config_revision: string;
  readonly facts_order: string;
}

export interface FinishedColumns {
  readonly finished_at: string;
  readonly status: number;
  readonly ended: string;
  readonly error_code: string | null;
  readonly provider: string | null;
  readonly provider_model: string | null;
  readonly cache: string;
  readonly latency_ms: number;
  readonly time_to_first_token_ms: number | null;
  readonly response_bytes: number;
  readonly finished_attempts: number;
  readonly finished_input_tokens: number;
  readonly finished_output_tokens: number;
  readonly finished_cached_tokens: number;
  readonly finished_reasoning_tokens: number;
  readonly saved_tokens: number;
  readonly finished_assumed: boolean;
  readonly refusals: number | null;
  readonly finished_order: string;
}

export interface AttemptColumns {
  readonly attempt: number;
  readonly time: string;
  readonly tenant: string;
  readonly provider: string;
  readonly model: string;
  readonly response_model: string | null;
  readonly upstream_request_id: string | null;
  readonly upstream_status: number | null;
  readonly error_code: string | null;
  readonly finish_reasons: readonly string[];
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cached_tokens: number;
  readonly cache_write_tokens: number;
  readonly reasoning_tokens: number;
  readonly usage_source: string;
  readonly latency_ms: number;
  readonly time_to_first_byte_ms: number | null;
  readonly assumed: boolean;
  readonly cost_micro_usd: number | null;
  readonly price_date: string | null;
  readonly attempt_order: string;
}

export interface ControlColumns {
  readonly change_id: string;
  readonly time: string;
  readonly actor_key_id: string;
  readonly action: string;
  readonly key_id: string;
  readonly tenant: string;
  readonly key: unknown;
}

export function factsOf(event: ReceivedEvent | FinishedEvent): FactsColumns {
  const rank = event.kind === 'received' ? 2 : event.assumed ? 1 : 3;
  return ordered('facts_order', rank, {
    time: isoTime(event.receivedAt, 'receivedAt'),
    tenant: text(event.tenant),
    key_id: text(event.keyId),
    endpoint: text(event.endpoint),
    method: text(event.method),
    model: text(event.model),
    stream: event.stream,
    client_ip: text(event.clientIp),
    user_agent: text(event.userAgent, USER_AGENT_LENGTH_MAX),
    trace_id: optionalText(event.traceId),
    config_revision: text(event.configurationRevision),
  });
}

/** As much as an attempt knows, so that no provider call is without a row. */
export function factsOfAttempt(event: AttemptedEvent): FactsColumns {
  const timeMs = Math.min(requestIdTime(event.requestId), TIME_MAX_MS);
  return ordered('facts_order', 0, {
    time: isoTime(timeMs, 'requestId'),
    tenant: text(event.tenant),
    key_id: '',
    endpoint: '',
    method: '',
    model: '',
    stream: false,
    client_ip: '',
    user_agent: '',
    trace_id: null,
    config_revision: '',
  });
}

export function deadlineOf(event: ReceivedEvent): string {
  return isoTime(event.deadlineAt, 'deadlineAt');
}

export function finishedOf(event: FinishedEvent): FinishedColumns {
  const tokens = checkedUsage(event.usage);
  const saved = checkedUsage(event.savedUsage ?? NO_USAGE);
  const { timeToFirstTokenMs, refusals } = event;
  return ordered('finished_order', event.assumed ? 1 : 2, {
    finished_at: isoTime(event.finishedAt, 'finishedAt'),
    status: within(event.status, 0, STATUS_MAX, 'status'),
    ended: event.ended,
    error_code: optionalText(event.errorCode),
    provider: optionalText(event.provider),
    provider_model: optionalText(event.targetModel),
    cache: event.cacheOutcome,
    latency_ms: within(event.latencyMs, 0, DURATION_MAX_MS, 'latencyMs'),
    time_to_first_token_ms:
      timeToFirstTokenMs === undefined
        ? null
        : within(timeToFirstTokenMs, 0, DURATION_MAX_MS, 'timeToFirstTokenMs'),
    response_bytes: within(event.responseBytes, 0, Number.MAX_SAFE_INTEGER, 'responseBytes'),
    finished_attempts: within(event.attempts, 0, ATTEMPTS_MAX, 'attempts'),
    finished_input_tokens: tokens.inputTokens,
    finished_output_tokens: tokens.outputTokens,
    finished_cached_tokens: tokens.cachedInputTokens,
    finished_reasoning_tokens: tokens.reasoningTokens,
    saved_tokens: saved.inputTokens + saved.outputTokens,
    finished_assumed: event.assumed,
    refusals: refusals === undefined ? null : within(refusals, 1, REFUSALS_MAX, 'refusals'),
  });
}

export function attemptOf(event: AttemptedEvent): AttemptColumns {
  const tokens = checkedUsage(event.usage);
  const { upstreamStatus, timeToFirstByteMs } = event;
  const columns = ordered('attempt_order', event.assumed ? 1 : 2, {
    attempt: within(event.attempt, 1, ATTEMPTS_MAX, 'attempt'),
    time: isoTime(event.at, 'at'),
    tenant: text(event.tenant),
    provider: text(event.provider),
    model: text(event.model),
    response_model: optionalText(event.responseModel),
    upstream_request_id: optionalText(event.upstreamRequestId),
    upstream_status:
      upstreamStatus === undefined ? null : within(upstreamStatus, 0, STATUS_MAX, 'upstreamStatus'),
    error_code: optionalText(event.errorCode),
    finish_reasons: event.finishReasons.slice(0, FINISH_REASONS_MAX).map((reason) => text(reason)),
    input_tokens: tokens.inputTokens,
    output_tokens: tokens.outputTokens,
    cached_tokens: tokens.cachedInputTokens,
    cache_write_tokens: tokens.cacheWriteInputTokens,
    reasoning_tokens: tokens.reasoningTokens,
    usage_source: event.usageSource,
    latency_ms: within(event.latencyMs, 0, DURATION_MAX_MS, 'latencyMs'),
    time_to_first_byte_ms:
      timeToFirstByteMs === undefined
        ? null
        : within(timeToFirstByteMs, 0, DURATION_MAX_MS, 'timeToFirstByteMs'),
    assumed: event.assumed,
  });
  const { costMicroUsd, priceDate } = costOf(event);
  return { ...columns, cost_micro_usd: costMicroUsd, price_date: priceDate };
}

export function controlOf(event: ControlEvent): ControlColumns {
  return {
    change_id: event.changeId.toLowerCase(),
    time: isoTime(event.at, 'at'),
    actor_key_id: text(event.actorKeyId),
    action: event.action,
    key_id: event.key.id,
    tenant: event.key.tenant,
    key: event.key,
  };
}

/** The price is left out of the order: two versions of the list may differ over the same event. */
function ordered<Name extends string, Columns extends object>(
  name: Name,
  rank: number,
  columns: Columns,
): Columns & Record<Name, string> {
  const digest = createHash('sha256').update(JSON.stringify(columns)).digest('hex').slice(0, 16);
  return { ...columns, [name]: `${rank}${digest}` } as Columns & Record<Name, string>;
}

/** Cut to its length; a lone surrogate, which UTF-8 cannot hold, becomes U+FFFD. */
function text(value: string, lengthMax = TEXT_LENGTH_MAX): string {
  if (value.includes('\0')) throw new UnstorableEvent('a text holds U+0000');
  return value.slice(0, lengthMax).toWellFormed();
}

function optionalText(value: string | undefined): string | null {
  return value === undefined ? null : text(value);
}

function isoTime(timeMs: number, field: string): string {
  return new Date(within(timeMs, 0, TIME_MAX_MS, field)).toISOString();
}

function within(value: number, min: number, max: number, field: string): number {
  if (value >= min && value <= max) return value;
  throw new UnstorableEvent(`${field} is out of range`);
}

function checkedUsage(usage: Usage): Usage {
  for (const [field, tokens] of Object.entries(usage)) within(tokens, 0, TOKENS_MAX, field);
  return usage;
}
