import type { Bus } from '@gateway/bus';
import { releaseSlotsEndpoint, renewSlotsEndpoint, reserveEndpoint } from '@gateway/protocol';
import type { ServiceContext } from '@gateway/runtime';
import {
  RELEASE_CONCURRENCY_MAX,
  RENEW_CONCURRENCY_MAX,
  releaseHandler,
  renewHandler,
} from './hold-slots.ts';
import type { LimitStore } from './limit-store.ts';
import { MemoryLimitStore, type PastAdmissions } from './memory-limit-store.ts';
import type { RedisSettings } from './redis-connection.ts';
import { RESERVE_CONCURRENCY_MAX, reserveHandler } from './reserve.ts';

export interface RateLimiterSettings {
  readonly store:
    | ({ readonly kind: 'redis' } & RedisSettings)
    /** `past`: what was admitted before this process started. */
    | { readonly kind: 'memory'; readonly past?: readonly PastAdmissions[] };
}

export type RateLimiterContext = Pick<ServiceContext, 'logger' | 'health'> & { readonly bus: Bus };

/**
 * Serves reservations and keeps the slots that they took. It starts while Redis is away, too: reservations are `limiter_unavailable`
 * and the health check `redis` fails until it is there. Disposal answers what was taken.
 */
export async function startRateLimiter(
  settings: RateLimiterSettings,
  context: RateLimiterContext,
): Promise<AsyncDisposable> {
  await using resources = new AsyncDisposableStack();
  const store = resources.use(await openStore(settings, context));
  if (settings.store.kind === 'redis') {
    resources.use(context.health.register('redis', () => store.outage ?? true));
  }
  const { bus } = context;
  resources.use(context.health.register('bus', () => bus.outage ?? true));
  const reservations = await bus.respond(reserveEndpoint, reserveHandler(store), {
    concurrencyMax: RESERVE_CONCURRENCY_MAX,
  });
  resources.defer(() => reservations.drain());
  const releases = await bus.receive(releaseSlotsEndpoint, releaseHandler(store), {
    concurrencyMax: RELEASE_CONCURRENCY_MAX,
  });
  resources.defer(() => releases.drain());
  const renewals = await bus.receive(renewSlotsEndpoint, renewHandler(store), {
    concurrencyMax: RENEW_CONCURRENCY_MAX,
  });
  resources.defer(() => renewals.drain());
  return resources.move();
}

/**
 * A store that could be reached is, before requests are taken: the peers had answered them. Redis' client
 * is loaded where Redis is used: the embedded gateway starts without.
 */
async function openStore(
  { store }: RateLimiterSettings,
  { logger }: RateLimiterContext,
): Promise<LimitStore> {
  if (store.kind === 'memory')
    return new MemoryLimitStore({ ...(store.past && { past: store.past }) });
  const { RedisLimitStore } = await import('./redis-limit-store.ts');
  const redis = new RedisLimitStore(store, logger);
  await redis.tried;
  return redis;
}
