/**
 * Tells most events at a glance from anything else. The schemas of the protocol and the bounds of the
 * columns are what counts, but reading three events of a request with them takes 10 to 30 µs, this 1 µs:
 * what it does not take for an event, they decide upon.
 */
import type { AttemptedEvent, FinishedEvent, ReceivedEvent } from '@gateway/protocol';
import { CACHE_OUTCOMES, EVENT_SCHEMA } from '@gateway/protocol';
import {
  ATTEMPTS_MAX,
  DURATION_MAX_MS,
  REFUSALS_MAX,
  STATUS_MAX,
  TIME_MAX_MS,
  TOKENS_MAX,
} from './event-columns.ts';

type Fields = Readonly<Record<string, unknown>>;

const REQUEST_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const USAGE_SOURCES: readonly unknown[] = [
  'provider',
  'estimated',
  'none',
  'unknown',
] satisfies AttemptedEvent['usageSource'][];
const ENDS: readonly unknown[] = [
  'complete',
  'refused',
  'failed',
  'interrupted',
  'client_closed',
  'abandoned',
] satisfies FinishedEvent['ended'][];

/**
 * True only of what the schema of its kind takes, with every field that has a default, and whose numbers
 * their columns hold. It looks into no text.
 */
export function isRequestEvent(
  value: unknown,
): value is ReceivedEvent | AttemptedEvent | FinishedEvent {
  if (typeof value !== 'object' || value === null) return false;
  const event = value as Fields;
  if (event.schema !== EVENT_SCHEMA) return false;
  if (typeof event.requestId !== 'string' || !REQUEST_ID.test(event.requestId)) return false;
  switch (event.kind) {
    case 'received':
      return isOfRequest(event) && isCount(event.deadlineAt, TIME_MAX_MS);
    case 'attempted':
      return isAttempted(event);
    case 'finished':
      return isOfRequest(event) && isFinished(event);
    default:
      return false;
  }
}

function isOfRequest(event: Fields): boolean {
  return (
    isCount(event.receivedAt, TIME_MAX_MS) &&
    typeof event.tenant === 'string' &&
    typeof event.keyId === 'string' &&
    typeof event.endpoint === 'string' &&
    typeof event.method === 'string' &&
    typeof event.model === 'string' &&
    typeof event.stream === 'boolean' &&
    typeof event.clientIp === 'string' &&
    typeof event.userAgent === 'string' &&
    isTextOrAbsent(event.traceId) &&
    typeof event.configurationRevision === 'string'
  );
}

function isAttempted(event: Fields): boolean {
  return (
    isCount(event.attempt, ATTEMPTS_MAX) &&
    event.attempt > 0 &&
    isCount(event.at, TIME_MAX_MS) &&
    typeof event.tenant === 'string' &&
    typeof event.provider === 'string' &&
    typeof event.model === 'string' &&
    isTextOrAbsent(event.responseModel) &&
    isTextOrAbsent(event.upstreamRequestId) &&
    (event.upstreamStatus === undefined || isCount(event.upstreamStatus, STATUS_MAX)) &&
    isTextOrAbsent(event.errorCode) &&
    Array.isArray(event.finishReasons) &&
    event.finishReasons.every((reason) => typeof reason === 'string') &&
    isUsage(event.usage) &&
    USAGE_SOURCES.includes(event.usageSource) &&
    isDuration(event.latencyMs) &&
    (event.timeToFirstByteMs === undefined || isDuration(event.timeToFirstByteMs)) &&
    typeof event.assumed === 'boolean'
  );
}

function isFinished(event: Fields): boolean {
  return (
    isCount(event.finishedAt, TIME_MAX_MS) &&
    isCount(event.status, STATUS_MAX) &&
    isTextOrAbsent(event.errorCode) &&
    ENDS.includes(event.ended) &&
    isCount(event.attempts, ATTEMPTS_MAX) &&
    isTextOrAbsent(event.provider) &&
    isTextOrAbsent(event.targetModel) &&
    (CACHE_OUTCOMES as readonly unknown[]).includes(event.cacheOutcome) &&
    isUsage(event.usage) &&
    (event.savedUsage === undefined || isUsage(event.savedUsage)) &&
    isDuration(event.latencyMs) &&
    (event.timeToFirstTokenMs === undefined || isDuration(event.timeToFirstTokenMs)) &&
    isCount(event.responseBytes, Number.MAX_SAFE_INTEGER) &&
    (event.refusals === undefined ||
      (isCount(event.refusals, REFUSALS_MAX) && event.refusals > 0)) &&
    typeof event.assumed === 'boolean'
  );
}

function isUsage(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const usage = value as Fields;
  return (
    isCount(usage.inputTokens, TOKENS_MAX) &&
    isCount(usage.outputTokens, TOKENS_MAX) &&
    isCount(usage.cachedInputTokens, TOKENS_MAX) &&
    isCount(usage.cacheWriteInputTokens, TOKENS_MAX) &&
    isCount(usage.reasoningTokens, TOKENS_MAX)
  );
}

function isCount(value: unknown, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

function isDuration(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= DURATION_MAX_MS;
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}
