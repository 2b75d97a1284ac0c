import type { RequestHandler } from '@gateway/bus';
import type { LookupReply, LookupRequest } from '@gateway/protocol';
import { getMeter } from '@gateway/telemetry';
import type { ResponseStore } from './response-store.ts';

/** Lookups at once; as many more wait on the bus. */
export const LOOKUP_CONCURRENCY_MAX = 512;

const lookups = getMeter('cache').createCounter('gateway.cache.lookups', {
  description: 'Lookups by outcome: hit, miss, or failed',
});
const hits = lookups.bind({ outcome: 'hit' });
const misses = lookups.bind({ outcome: 'miss' });
const failures = lookups.bind({ outcome: 'failed' });

/**
 * Answers with the entry and its bytes, or with neither when there is none. Trouble is an error.
 */
export function lookupHandler(store: ResponseStore): RequestHandler<LookupRequest, LookupReply> {
  return async ({ value }) => {
    try {
      const found = await store.get(value);
      (found ? hits : misses).add(1);
      return found ? { value: { entry: found.entry }, body: found.body } : { value: {} };
    } catch (error) {
      failures.add(1);
      throw error;
    }
  };
}
