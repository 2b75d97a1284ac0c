import type { Message, RequestHandler } from '@gateway/bus';
import { GatewayError, type ReserveReply, type ReserveRequest } from '@gateway/protocol';
import { getMeter } from '@gateway/telemetry';
import { counterKey, type LimitStore } from './limit-store.ts';

/** Reservations decided at once; as many more wait on the bus. */
export const RESERVE_CONCURRENCY_MAX = 1_024;

const decisions = getMeter('rate-limiter').createCounter('gateway.rate_limit.decisions', {
  description: 'Reservations by outcome: allowed, refused, or failed',
});
const allowed = decisions.bind({ outcome: 'allowed' });
const refused = decisions.bind({ outcome: 'refused' });
const failed = decisions.bind({ outcome: 'failed' });

/**
 * Answers reservations from the store. An error is never an admission: whether requests pass
 * without a limiter is for the ingress to say.
 */
export function reserveHandler(store: LimitStore): RequestHandler<ReserveRequest, ReserveReply> {
  return async ({ value }): Promise<Message<ReserveReply>> => {
    refuseRepeatedLimits(value);
    try {
      const reply = await store.reserve(value);
      (reply.allowed ? allowed : refused).add(1);
      return { value: reply };
    } catch (error) {
      failed.add(1);
      throw error;
    }
  };
}

/** A window or slots named twice would be checked once and counted twice. */
function refuseRepeatedLimits({ limits }: ReserveRequest): void {
  if (limits.length === 1 || new Set(limits.map(counterKey)).size === limits.length) return;
  throw new GatewayError('invalid_request', 'A reservation names the same limit twice.');
}
