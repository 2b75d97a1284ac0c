/**
 * Tells most events at a glance from anything else. The schemas of the protocol are what counts, but
 * reading three events of a request with them takes 30 µs, this 1 µs: what it does not take for an
 * event, they decide upon.
 */
import type { AttemptedEvent, FinishedEvent, ReceivedEvent } from '@gateway/protocol';
import { CACHE_OUTCOMES, EVENT_SCHEMA } from '@gateway/protocol';

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

/** True only of what the schema of its kind takes, with every field that has a default. */
export function isRequestEvent(
  value: unknown,
): value is ReceivedEvent | AttemptedEvent | FinishedEvent {
  if (typeof value !== 'object' || value === null) return false;
  const event = value as Fields;
  if (event.schema !== EVENT_SCHEMA) return false;
  if (typeof event.requestId !== 'string' || !REQUEST_ID.test(event.requestId)) return false;
  switch (event.kind) {
    case 'received':
      return isOfRequest(event) && isCount(event.deadlineAt);
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
    isCount(event.receivedAt) &&
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
    isCount(event.attempt) &&
    event.attempt > 0 &&
    isCount(event.at) &&
    typeof event.tenant === 'string' &&
    typeof event.provider === 'string' &&
    typeof event.model === 'string' &&
    isTextOrAbsent(event.responseModel) &&
    isTextOrAbsent(event.upstreamRequestId) &&
    (event.upstreamStatus === undefined || Number.isSafeInteger(event.upstreamStatus)) &&
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
    isCount(event.finishedAt) &&
    Number.isSafeInteger(event.status) &&
    isTextOrAbsent(event.errorCode) &&
    ENDS.includes(event.ended) &&
    isCount(event.attempts) &&
    isTextOrAbsent(event.provider) &&
    isTextOrAbsent(event.targetModel) &&
    (CACHE_OUTCOMES as readonly unknown[]).includes(event.cacheOutcome) &&
    isUsage(event.usage) &&
    (event.savedUsage === undefined || isUsage(event.savedUsage)) &&
    isDuration(event.latencyMs) &&
    (event.timeToFirstTokenMs === undefined || isDuration(event.timeToFirstTokenMs)) &&
    isCount(event.responseBytes) &&
    (event.refusals === undefined || (isCount(event.refusals) && event.refusals > 0)) &&
    typeof event.assumed === 'boolean'
  );
}

function isUsage(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const usage = value as Fields;
  return (
    isCount(usage.inputTokens) &&
    isCount(usage.outputTokens) &&
    isCount(usage.cachedInputTokens) &&
    isCount(usage.cacheWriteInputTokens) &&
    isCount(usage.reasoningTokens)
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isDuration(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value < Number.POSITIVE_INFINITY;
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}
