import type { Bus } from '@gateway/bus';
import { cacheLookupEndpoint, cacheStoreEndpoint } from '@gateway/protocol';
import type { ServiceContext } from '@gateway/runtime';
import { LOOKUP_CONCURRENCY_MAX, lookupHandler } from './lookup.ts';
import { MemoryResponseStore } from './memory-response-store.ts';
import type { RedisSettings } from './redis-connection.ts';
import type { ResponseStore } from './response-store.ts';
import { STORE_CONCURRENCY_MAX, storeHandler } from './store.ts';

export interface CacheSettings {
  readonly store: ({ readonly kind: 'redis' } & RedisSettings) | { readonly kind: 'memory' };
}

export type CacheContext = Pick<ServiceContext, 'logger' | 'health'> & { readonly bus: Bus };

/**
 * Serves lookups and keeps answers. It starts while Redis is away, too: lookups are errors, which
 * callers treat as no cache, and the health check `redis` fails until it is there. Disposal
 * finishes what was taken.
 */
export async function startCache(
  settings: CacheSettings,
  context: CacheContext,
): Promise<AsyncDisposable> {
  await using resources = new AsyncDisposableStack();
  const store = resources.use(await openStore(settings, context));
  if (settings.store.kind === 'redis') {
    resources.use(context.health.register('redis', () => store.outage ?? true));
  }
  const { bus } = context;
  resources.use(context.health.register('bus', () => bus.outage ?? true));
  const lookups = await bus.respond(cacheLookupEndpoint, lookupHandler(store), {
    concurrencyMax: LOOKUP_CONCURRENCY_MAX,
  });
  resources.defer(() => lookups.drain());
  const stores = await bus.receive(cacheStoreEndpoint, storeHandler(store), {
    concurrencyMax: STORE_CONCURRENCY_MAX,
  });
  resources.defer(() => stores.drain());
  return resources.move();
}

/** Redis' client is loaded where Redis is used: the embedded gateway starts without. */
async function openStore(
  { store }: CacheSettings,
  { logger }: CacheContext,
): Promise<ResponseStore> {
  if (store.kind === 'memory') return new MemoryResponseStore();
  const { RedisResponseStore } = await import('./redis-response-store.ts');
  return new RedisResponseStore(store, logger);
}
