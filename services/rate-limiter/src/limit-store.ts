import type { Limit, ReserveReply, ReserveRequest } from '@gateway/protocol';

/**
 * Where windows are counted. `redis-limit-store.ts` shares them between replicas,
 * `memory-limit-store.ts` is for one process; `tests/limit-store.contract.ts` checks both.
 */
export interface LimitStore extends AsyncDisposable {
  /**
   * Counts the request against every limit, or against none when one is used up. The same request
   * id counts once: while it is remembered, an admitted one is given the same answer again.
   *
   * Throws `limiter_unavailable` when the store cannot be reached or cannot write, and `overloaded`
   * when it has no room for another scope.
   */
  reserve(request: ReserveRequest): Promise<ReserveReply>;
  /** Why nothing can be reserved now, or undefined when it can. */
  readonly outage: string | undefined;
}

/**
 * How long an admitted request id is remembered. A reservation is repeated, if at all, by a caller that
 * got no answer in its second or two; each remembered id costs Redis some 200 bytes.
 */
export const ADMISSION_MEMORY_MS = 2 * 60 * 1000;

/** What is counted together: the same scope in another window is counted anew. */
export function windowKey(limit: Limit): string {
  return limit.kind === 'requests'
    ? `${limit.scope}:requests:${limit.windowSeconds}`
    : `${limit.scope}:concurrency`;
}
