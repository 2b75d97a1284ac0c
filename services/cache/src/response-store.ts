import { type CacheEntry, GatewayError, isCacheKey, isTenant } from '@gateway/protocol';

/** An answer as it was sent to the client. Whoever is given one only reads its bytes. */
export interface StoredResponse {
  readonly entry: CacheEntry;
  readonly body: Uint8Array;
}

export interface ResponseAddress {
  readonly tenant: string;
  /** SHA-256 in hex, over the tenant too. */
  readonly key: string;
}

/**
 * Where answers are kept. `redis-response-store.ts` shares them between replicas,
 * `memory-response-store.ts` is for one process; `tests/response-store.contract.ts` checks both.
 */
export interface ResponseStore extends AsyncDisposable {
  /** Undefined only when nothing is stored. Throws when the store cannot say, within 100 ms. */
  get(address: ResponseAddress): Promise<StoredResponse | undefined>;
  /** Replaces what was there. Throws when the store cannot keep it. */
  set(address: ResponseAddress, response: StoredResponse, ttlSeconds: number): Promise<void>;
  /** Why nothing can be looked up now, or undefined when it can. */
  readonly outage: string | undefined;
}

/**
 * The name of a stored answer. The tenant stands in it next to the hash that holds it as well, and
 * both are of closed alphabets without a colon, so no tenant can name another's. Throws
 * `invalid_request`.
 */
export function storageKey({ tenant, key }: ResponseAddress): string {
  if (isTenant(tenant) && isCacheKey(key)) return `cache:${tenant}:${key}`;
  throw new GatewayError('invalid_request', 'A cache address is not well formed.');
}
