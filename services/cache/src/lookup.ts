import type { RequestHandler } from '@gateway/bus';
import type { LookupReply, LookupRequest } from '@gateway/protocol';
import { getMeter } from '@gateway/telemetry';
import type { ResponseStore } from './response-store.ts';

/** Lookups at once; as many more wait on the bus. */
export const LOOKUP_CONCURRENCY_MAX = 512;

const lookups = getMeter('cache').createCounter('gateway.cache.lookups', {
  description: 'Lookups by outcome: hit, miss, or failed',
});

/**
 * Answers with the entry and its bytes, or with neither when there is none. Trouble is an error.
 */
export function lookupHandler(store: ResponseStore): RequestHandler<LookupRequest, LookupReply> {
  return async ({ value }) => {
    try {
      const found = await store.get(value);
      lookups.add(1, { outcome: found ? 'hit' : 'miss' });
      return found ? { value: { entry: found.entry }, body: found.body } : { value: {} };
    } catch (error) {
      lookups.add(1, { outcome: 'failed' });
      throw error;
    }
  };
}
