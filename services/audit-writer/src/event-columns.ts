/**
 * What an event says, as columns of the database. Texts are cut to what a row may hold, so that a
 * page of rows fits a message; numbers that no honest event has are refused.
 *
 * Times are in milliseconds since 1970.
 *
 * Each group of columns has an order that ranks it among events for the same group: a rank, then a
 * digest of the event, so that of two events one wins, always the same, but for one pair of four billion.
 */
import { crc32 } from 'node:zlib';
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
export const TIME_MAX_MS = 253_402_300_799_999;
export const DURATION_MAX_MS = 1e12;
export const STATUS_MAX = 999;
/** Of 32 bits, in hexadecimal digits. */
const DIGEST_LENGTH = 8;
/** The largest number that its column holds. */
export const REFUSALS_MAX = 2 ** 31 - 1;

/** The event can never be stored as it is. The message holds no value of it. */
export class UnstorableEvent extends Error {
  override readonly name = 'UnstorableEvent';
}

export interface FactsColumns {
  readonly time: number;
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
  readonly finished_at: number;
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
  readonly time: number;
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
  readonly time: number;
  readonly actor_key_id: string;
  readonly action: string;
  readonly key_id: string;
  readonly tenant: string;
  readonly key: unknown;
}

/**
 * The event with texts that UTF-8 and the database can hold, as the columns are made of. Those of JSON
 * without an escape all are. Throws `UnstorableEvent`.
 */
export function withStorableTexts<Event extends ReceivedEvent | AttemptedEvent | FinishedEvent>(
  event: Event,
): Event {
  const fields = Object.entries(event).map(([name, value]) => [name, storableField(value)]);
  return Object.fromEntries(fields);
}

function storableField(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(storableField);
  return typeof value === 'string' ? storableText(value) : value;
}

function storableText(value: string): string {
  if (value.includes('\0')) throw new UnstorableEvent('a text holds U+0000');
  return value.toWellFormed();
}

/**
 * Of the bytes that the bus holds of an event. The row keeps it, in the order of each group. It decides
 * between two events that differ though they are of one kind and rank, of which there should be none.
 */
export function digestOf(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(DIGEST_LENGTH, '0');
}

export function factsOf(event: ReceivedEvent | FinishedEvent, digest: string): FactsColumns {
  const rank = event.kind === 'received' ? 2 : event.assumed ? 1 : 3;
  return {
    time: time(event.receivedAt, 'receivedAt'),
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
    facts_order: `${rank}${digest}`,
  };
}

/** As much as an attempt knows, so that no provider call is without a row. */
export function factsOfAttempt(event: AttemptedEvent, digest: string): FactsColumns {
  return {
    time: Math.min(requestIdTime(event.requestId), TIME_MAX_MS),
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
    facts_order: `0${digest}`,
  };
}

export function deadlineOf(event: ReceivedEvent): number {
  return time(event.deadlineAt, 'deadlineAt');
}

export function finishedOf(event: FinishedEvent, digest: string): FinishedColumns {
  const tokens = checkedUsage(event.usage);
  const saved = checkedUsage(event.savedUsage ?? NO_USAGE);
  const { timeToFirstTokenMs, refusals } = event;
  return {
    finished_at: time(event.finishedAt, 'finishedAt'),
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
    finished_order: `${event.assumed ? 1 : 2}${digest}`,
  };
}

/** The price is no part of the order: two versions of the list may differ over the same event. */
export function attemptOf(event: AttemptedEvent, digest: string): AttemptColumns {
  const tokens = checkedUsage(event.usage);
  const { upstreamStatus, timeToFirstByteMs } = event;
  const { costMicroUsd, priceDate } = costOf(event);
  return {
    attempt: within(event.attempt, 1, ATTEMPTS_MAX, 'attempt'),
    time: time(event.at, 'at'),
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
    cost_micro_usd: costMicroUsd,
    price_date: priceDate,
    attempt_order: `${event.assumed ? 1 : 2}${digest}`,
  };
}

export function controlOf(event: ControlEvent): ControlColumns {
  return {
    change_id: event.changeId.toLowerCase(),
    time: time(event.at, 'at'),
    actor_key_id: text(storableText(event.actorKeyId)),
    action: event.action,
    key_id: event.key.id,
    tenant: event.key.tenant,
    key: event.key,
  };
}

/** Cut to its length. Half a pair of surrogates, which UTF-8 cannot hold, becomes U+FFFD. */
function text(value: string, lengthMax = TEXT_LENGTH_MAX): string {
  return value.length <= lengthMax ? value : value.slice(0, lengthMax).toWellFormed();
}

function optionalText(value: string | undefined): string | null {
  return value === undefined ? null : text(value);
}

function time(timeMs: number, field: string): number {
  return within(timeMs, 0, TIME_MAX_MS, field);
}

function within(value: number, min: number, max: number, field: string): number {
  if (value >= min && value <= max) return value;
  throw new UnstorableEvent(`${field} is out of range`);
}

function checkedUsage(usage: Usage): Usage {
  within(usage.inputTokens, 0, TOKENS_MAX, 'inputTokens');
  within(usage.outputTokens, 0, TOKENS_MAX, 'outputTokens');
  within(usage.cachedInputTokens, 0, TOKENS_MAX, 'cachedInputTokens');
  within(usage.cacheWriteInputTokens, 0, TOKENS_MAX, 'cacheWriteInputTokens');
  within(usage.reasoningTokens, 0, TOKENS_MAX, 'reasoningTokens');
  return usage;
}
