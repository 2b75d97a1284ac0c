import {
  CONCURRENCY_MAX,
  type HeldSlots,
  type Limit,
  type ReserveReply,
  type ReserveRequest,
} from '@gateway/protocol';

/**
 * Where windows and slots are counted. `redis-limit-store.ts` shares them between replicas,
 * `memory-limit-store.ts` is for one process; `tests/limit-store.contract.ts` checks both.
 *
 * Everything throws `limiter_unavailable` when the store cannot be reached or cannot write.
 */
export interface LimitStore extends AsyncDisposable {
  /**
   * Counts the request against every limit, or against none when one is used up. The same request
   * id counts once: while it is remembered, an admitted one is given the same answer again.
   *
   * Throws `overloaded` when the store has no room for another scope.
   */
  reserve(request: ReserveRequest): Promise<ReserveReply>;
  /** Gives slots back. Does nothing to the others, or when it is repeated. */
  release(held: HeldSlots): Promise<void>;
  /**
   * Holds the slots for another lease, `RENEWAL_BATCH_MAX` requests at most. A slot that lapsed, or
   * that the store has lost, is taken again even beyond the limit, since its request runs; one that
   * was released is not.
   */
  renew(held: readonly HeldSlots[]): Promise<void>;
  /** Why nothing can be reserved now, or undefined when it can. */
  readonly outage: string | undefined;
}

/**
 * How long an admitted request id is remembered. A reservation is repeated, if at all, by a caller that
 * got no answer in its second or two; each remembered id costs Redis some 200 bytes.
 */
export const ADMISSION_MEMORY_MS = 2 * 60 * 1000;

/** How long a release is remembered, so that a message that it overtook does not take the slot. */
export const RELEASE_MEMORY_MS = 10_000;

/** Slots end when their requests do, so the wait for one is a guess. */
export const SLOT_RETRY_AFTER_MS = 1_000;

/** Slots and remembered releases of one scope, beyond which renewals and releases add none. */
export const SCOPE_MEMBERS_MAX = CONCURRENCY_MAX;

/** What is counted together: the same scope in another window is counted anew. */
export function counterKey(limit: Limit): string {
  return limit.kind === 'requests'
    ? `${limit.scope}:requests:${limit.windowSeconds}`
    : slotsKey(limit.scope);
}

export function slotsKey(scope: string): string {
  return `${scope}:concurrency`;
}
