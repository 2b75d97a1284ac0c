/**
 * The durable events of a request and of the control plane. Readers ignore fields that they do not
 * know and hold an event of a newer schema; an incompatible change takes new subjects.
 *
 * A request has one `received` (before anything is spent), one `attempted` for each provider call and
 * one `finished`. An event written on behalf of a process that died is `assumed`; the true one, if it
 * still comes, replaces it.
 */
import { z } from 'zod';
import {
  fieldsOf,
  hasFields,
  isAmountOrAbsent,
  isBoolean,
  isListOf,
  isRequestId,
  isText,
  isTextOrAbsent,
  isWhole,
  present,
} from './exact-check.ts';
import { keyRecord } from './keys.ts';
import type { EventKind } from './subjects.ts';
import { isUsage, usage } from './usage.ts';

export const EVENT_SCHEMA = 1;

const epochMs = z.number().int().nonnegative();

/** Who asked for what: on `received` and on `finished`, since a refused request has the latter alone. */
const request = z.object({
  requestId: z.uuid(),
  /** When the ingress took the request, in milliseconds since 1970. */
  receivedAt: epochMs,
  tenant: z.string(),
  keyId: z.string(),
  endpoint: z.string(),
  method: z.string(),
  /** The model as the client named it, cut to 256 characters. Empty when the body was not readable. */
  model: z.string(),
  stream: z.boolean(),
  clientIp: z.string(),
  userAgent: z.string(),
  traceId: z.string().optional(),
  configurationRevision: z.string(),
});

export const receivedEvent = request.extend({
  kind: z.literal('received'),
  schema: z.literal(EVENT_SCHEMA),
  /** When the request will have ended, however it ends. */
  deadlineAt: epochMs,
});

const USAGE_SOURCES = ['provider', 'estimated', 'none', 'unknown'] as const;

export const attemptedEvent = z.object({
  kind: z.literal('attempted'),
  schema: z.literal(EVENT_SCHEMA),
  requestId: z.uuid(),
  attempt: z.number().int().positive(),
  at: epochMs,
  tenant: z.string(),
  provider: z.string(),
  /** The model asked of the provider. */
  model: z.string(),
  /** The model the provider says has answered. */
  responseModel: z.string().optional(),
  upstreamRequestId: z.string().optional(),
  /** Status of the provider's answer; absent when there was none. */
  upstreamStatus: z.number().int().optional(),
  errorCode: z.string().optional(),
  finishReasons: z.array(z.string()).default([]),
  usage,
  /** `provider`: as the provider reported. `estimated`: ours. `unknown`: a call of which nothing is known. */
  usageSource: z.enum(USAGE_SOURCES),
  latencyMs: z.number().nonnegative(),
  timeToFirstByteMs: z.number().nonnegative().optional(),
  assumed: z.boolean().default(false),
});

/** Without the optional ones. */
const ATTEMPTED_FIELDS = 13;

/** With all that has a default, as the gateway itself writes it. */
export function isAttemptedEvent(value: unknown): boolean {
  const fields = fieldsOf(value);
  const { responseModel, upstreamRequestId, upstreamStatus, errorCode, timeToFirstByteMs } = fields;
  const optionalFields =
    present(responseModel) +
    present(upstreamRequestId) +
    present(upstreamStatus) +
    present(errorCode) +
    present(timeToFirstByteMs);
  return (
    fields.kind === 'attempted' &&
    fields.schema === EVENT_SCHEMA &&
    isRequestId(fields.requestId) &&
    isWhole(fields.attempt, 1) &&
    isWhole(fields.at, 0) &&
    isText(fields.tenant) &&
    isText(fields.provider) &&
    isText(fields.model) &&
    isTextOrAbsent(responseModel) &&
    isTextOrAbsent(upstreamRequestId) &&
    (upstreamStatus === undefined || isWhole(upstreamStatus, 0)) &&
    isTextOrAbsent(errorCode) &&
    isListOf(fields.finishReasons, isText) &&
    isUsage(fields.usage) &&
    (USAGE_SOURCES as readonly unknown[]).includes(fields.usageSource) &&
    fields.latencyMs !== undefined &&
    isAmountOrAbsent(fields.latencyMs) &&
    isAmountOrAbsent(timeToFirstByteMs) &&
    isBoolean(fields.assumed) &&
    hasFields(value, ATTEMPTED_FIELDS + optionalFields)
  );
}

export const CACHE_OUTCOMES = ['hit', 'miss', 'bypass'] as const;
export type CacheOutcome = (typeof CACHE_OUTCOMES)[number];

export const finishedEvent = request.extend({
  kind: z.literal('finished'),
  schema: z.literal(EVENT_SCHEMA),
  finishedAt: epochMs,
  /** Status of the HTTP answer; 499 when the client left before one. */
  status: z.number().int(),
  errorCode: z.string().optional(),
  ended: z.enum(['complete', 'refused', 'failed', 'interrupted', 'client_closed', 'abandoned']),
  attempts: z.number().int().nonnegative(),
  /** Provider and model that answered. Absent when none did. */
  provider: z.string().optional(),
  targetModel: z.string().optional(),
  cacheOutcome: z.enum(CACHE_OUTCOMES),
  /** Of all attempts. Zero on a cache hit. */
  usage,
  /** What a cache hit did not spend. */
  savedUsage: usage.optional(),
  latencyMs: z.number().nonnegative(),
  timeToFirstTokenMs: z.number().nonnegative().optional(),
  responseBytes: z.number().int().nonnegative(),
  /**
   * Of a summary: how many refusals without a valid key it stands for, of which nothing else is known.
   * Absent where the event is of one request.
   */
  refusals: z.number().int().positive().optional(),
  assumed: z.boolean().default(false),
});

/** A change of control data, audited like a request. */
export const controlEvent = z.object({
  kind: z.literal('control'),
  schema: z.literal(EVENT_SCHEMA),
  /** Identifies the change. */
  changeId: z.uuid(),
  at: epochMs,
  /** The admin key that made it. */
  actorKeyId: z.string(),
  action: z.enum(['key.created', 'key.revoked']),
  key: keyRecord,
});

export const gatewayEvent = z.discriminatedUnion('kind', [
  receivedEvent,
  attemptedEvent,
  finishedEvent,
  controlEvent,
]);

export type ReceivedEvent = z.infer<typeof receivedEvent>;
export type AttemptedEvent = z.infer<typeof attemptedEvent>;
export type FinishedEvent = z.infer<typeof finishedEvent>;
export type ControlEvent = z.infer<typeof controlEvent>;
export type GatewayEvent = z.infer<typeof gatewayEvent>;

/** The id under which an event is stored once, however often it is published. */
export function eventMessageId(event: GatewayEvent): string {
  // A true event must not be taken for a repetition of the assumed one that it replaces.
  const mark = 'assumed' in event && event.assumed ? ':assumed' : '';
  switch (event.kind) {
    case 'attempted':
      return `${event.requestId}:attempted:${event.attempt}${mark}`;
    case 'received':
    case 'finished':
      return `${event.requestId}:${event.kind}${mark}`;
    case 'control':
      return `${event.changeId}:control`;
  }
}

/** `newer` when the event says a schema that this version cannot read: hold it, do not quarantine it. */
export function eventSchemaState(value: unknown): 'known' | 'newer' | 'unreadable' {
  if (typeof value !== 'object' || value === null || !('schema' in value)) return 'unreadable';
  const { schema } = value;
  if (typeof schema !== 'number') return 'unreadable';
  return schema > EVENT_SCHEMA ? 'newer' : 'known';
}

export const EVENT_KINDS = [
  'received',
  'attempted',
  'finished',
  'control',
] as const satisfies EventKind[];
