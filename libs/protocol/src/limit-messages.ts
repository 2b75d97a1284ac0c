/** What is said about limits, and the predicates of what every limited request says. */
import { z } from 'zod';
import {
  fieldsOf,
  hasFields,
  isBoolean,
  isListOf,
  isRequestId,
  isText,
  isWhole,
  present,
} from './exact-check.ts';
import { CONCURRENCY_MAX, concurrency } from './keys.ts';

/** How long a slot of a concurrency limit is held without being renewed. */
export const SLOT_LEASE_MS = 30_000;
/** Limits of one request, and so the scopes in which it can hold slots. */
export const LIMITS_PER_REQUEST_MAX = 16;
/** Requests whose slots are renewed by one message. */
export const RENEWAL_BATCH_MAX = 512;

/** What is counted together, for example `key:<id>`: made of our own ids only. */
const LIMIT_SCOPE = /^[a-z]+:[a-z0-9_-]{1,64}$/;
const limitScope = z.string().regex(LIMIT_SCOPE);

export const limit = z.discriminatedUnion('kind', [
  /** At most `amount` requests in any window of `windowSeconds`. */
  z.object({
    scope: limitScope,
    kind: z.literal('requests'),
    amount: z.number().int().min(1),
    windowSeconds: z.number().int().min(1),
  }),
  /**
   * At most `amount` requests at the same time. An admitted one holds a slot until it is released,
   * or until `SLOT_LEASE_MS` after it was last renewed.
   */
  z.object({ scope: limitScope, kind: z.literal('concurrency'), amount: concurrency }),
]);

const limitKind = z.enum(['requests', 'concurrency']);

export const reserveRequest = z.object({
  /** A repeated reservation of the same request counts once. */
  requestId: z.uuid(),
  limits: z.array(limit).min(1).max(LIMITS_PER_REQUEST_MAX),
});

export const limitState = z.object({
  scope: z.string(),
  kind: limitKind,
  amount: z.number().int(),
  remaining: z.number().int().nonnegative(),
  /** Until the whole amount is free again if nothing else is asked and no slot is renewed. */
  resetMs: z.number().int().nonnegative(),
});

export const reserveReply = z.object({
  allowed: z.boolean(),
  /** In the order of the request's limits. */
  limits: z.array(limitState),
  /** With a refusal: the limit that is used up, the one with the longest wait if several are. */
  refusedBy: z.object({ scope: z.string(), kind: limitKind }).optional(),
  /** With a refusal: when one more request fits every limit; a guess where a slot must end. */
  retryAfterMs: z.number().int().positive().optional(),
});

/** The slots that a request holds: one in each scope of its concurrency limits. */
export const heldSlots = z.object({
  requestId: z.uuid(),
  scopes: z.array(limitScope).min(1).max(LIMITS_PER_REQUEST_MAX),
});

export const renewSlots = z.object({ held: z.array(heldSlots).min(1).max(RENEWAL_BATCH_MAX) });

export type Limit = z.infer<typeof limit>;
export type LimitState = z.infer<typeof limitState>;
export type ReserveRequest = z.infer<typeof reserveRequest>;
export type ReserveReply = z.infer<typeof reserveReply>;
export type HeldSlots = z.infer<typeof heldSlots>;
export type RenewSlots = z.infer<typeof renewSlots>;

export function isReserveRequest(value: unknown): boolean {
  const { requestId, limits } = fieldsOf(value);
  return (
    isRequestId(requestId) &&
    isListOf(limits, isLimit, { min: 1, max: LIMITS_PER_REQUEST_MAX }) &&
    hasFields(value, 2)
  );
}

function isLimit(value: unknown): boolean {
  const { scope, kind, amount, windowSeconds } = fieldsOf(value);
  if (!isScope(scope)) return false;
  return kind === 'requests'
    ? isWhole(amount, 1) && isWhole(windowSeconds, 1) && hasFields(value, 4)
    : kind === 'concurrency' && isWhole(amount, 1, CONCURRENCY_MAX) && hasFields(value, 3);
}

function isScope(value: unknown): boolean {
  return typeof value === 'string' && LIMIT_SCOPE.test(value);
}

export function isReserveReply(value: unknown): boolean {
  const { allowed, limits, refusedBy, retryAfterMs } = fieldsOf(value);
  return (
    isBoolean(allowed) &&
    isListOf(limits, isLimitState) &&
    (refusedBy === undefined || isRefusingLimit(refusedBy)) &&
    (retryAfterMs === undefined || isWhole(retryAfterMs, 1)) &&
    hasFields(value, 2 + present(refusedBy) + present(retryAfterMs))
  );
}

function isRefusingLimit(value: unknown): boolean {
  const { scope, kind } = fieldsOf(value);
  return isText(scope) && isKind(kind) && hasFields(value, 2);
}

function isKind(value: unknown): boolean {
  return value === 'requests' || value === 'concurrency';
}

function isLimitState(value: unknown): boolean {
  const { scope, kind, amount, remaining, resetMs } = fieldsOf(value);
  return (
    isText(scope) &&
    isKind(kind) &&
    isWhole(amount, Number.MIN_SAFE_INTEGER) &&
    isWhole(remaining, 0) &&
    isWhole(resetMs, 0) &&
    hasFields(value, 5)
  );
}

export function isHeldSlots(value: unknown): boolean {
  const { requestId, scopes } = fieldsOf(value);
  return (
    isRequestId(requestId) &&
    isListOf(scopes, isScope, { min: 1, max: LIMITS_PER_REQUEST_MAX }) &&
    hasFields(value, 2)
  );
}

export function isRenewSlots(value: unknown): boolean {
  const { held } = fieldsOf(value);
  return isListOf(held, isHeldSlots, { min: 1, max: RENEWAL_BATCH_MAX }) && hasFields(value, 1);
}
