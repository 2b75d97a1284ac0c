import type { Message } from '@gateway/bus';
import { CACHED_BODY_BYTES_MAX, GatewayError, type StoreMessage } from '@gateway/protocol';
import { getMeter } from '@gateway/telemetry';
import type { ResponseStore } from './response-store.ts';

/** Stores at once; as many more wait on the bus, with at most `CACHED_BODY_BYTES_MAX` each. */
export const STORE_CONCURRENCY_MAX = 32;
/** The longest that a configuration or a client may ask for. */
export const TTL_SECONDS_MAX = 30 * 24 * 60 * 60;

const stores = getMeter('cache').createCounter('gateway.cache.stores', {
  description: 'Answers to store by outcome: stored or failed',
});
const stored = stores.bind({ outcome: 'stored' });
const failures = stores.bind({ outcome: 'failed' });

/** Keeps an answer for its time, `TTL_SECONDS_MAX` at most. Throws `request_too_large`. */
export function storeHandler(
  store: ResponseStore,
): (message: Message<StoreMessage>) => Promise<void> {
  return async ({ value, body = new Uint8Array() }) => {
    const { tenant, key, entry, ttlSeconds } = value;
    try {
      refuseLargeBody(body);
      await store.set({ tenant, key }, { entry, body }, Math.min(ttlSeconds, TTL_SECONDS_MAX));
      stored.add(1);
    } catch (error) {
      failures.add(1);
      throw error;
    }
  };
}

function refuseLargeBody(body: Uint8Array): void {
  if (body.length <= CACHED_BODY_BYTES_MAX) return;
  const message = `An answer of more than ${CACHED_BODY_BYTES_MAX} bytes is not cached.`;
  throw new GatewayError('request_too_large', message);
}
