import type { Message } from '@gateway/bus';
import { GatewayError, type HeldSlots, type RenewSlots } from '@gateway/protocol';
import { getMeter } from '@gateway/telemetry';
import type { LimitStore } from './limit-store.ts';

/** Messages handled at once; as many more wait on the bus, and what is beyond lapses. */
export const RELEASE_CONCURRENCY_MAX = 512;
export const RENEW_CONCURRENCY_MAX = 32;

const messages = getMeter('rate-limiter').createCounter('gateway.rate_limit.slot_messages', {
  description: 'Releases and renewals of concurrency slots by operation and outcome',
});

export function releaseHandler(store: LimitStore): (message: Message<HeldSlots>) => Promise<void> {
  return ({ value }) => counted('release', () => store.release(value));
}

export function renewHandler(store: LimitStore): (message: Message<RenewSlots>) => Promise<void> {
  return ({ value }) => counted('renew', () => store.renew(value.held));
}

/**
 * A store that is away is known to the health check, and each message would say it again in the log.
 * A release that is lost ends with its lease, a renewal is repeated.
 */
async function counted(operation: 'release' | 'renew', act: () => Promise<void>): Promise<void> {
  try {
    await act();
    messages.add(1, { operation, outcome: 'done' });
  } catch (error) {
    messages.add(1, { operation, outcome: 'failed' });
    const isOutage = error instanceof GatewayError && error.code === 'limiter_unavailable';
    if (!isOutage) throw error;
  }
}
