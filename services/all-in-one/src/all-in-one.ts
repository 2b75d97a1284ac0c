/**
 * The whole gateway in one process: the five services as they are, on the in-process bus, with memory
 * for Redis and PGlite for PostgreSQL.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startAuditWriter } from '@gateway/audit-writer';
import { type Bus, lockDirectory, openInProcessHub } from '@gateway/bus';
import { startCache } from '@gateway/cache';
import { type Ingress, KeyDirectory, startIngress } from '@gateway/ingress';
import { newInstanceId, type ServiceName } from '@gateway/protocol';
import { startProviderWorker } from '@gateway/provider-worker';
import { startRateLimiter } from '@gateway/rate-limiter';
import { contextFor, type ServiceContext } from '@gateway/runtime';
import type { EmbeddedSettings } from './config.ts';
import { type FirstKeys, makeFirstKeys } from './first-keys.ts';
import { loadPastAdmissions } from './past-admissions.ts';
import { loadPepper } from './pepper.ts';

export interface AllInOne extends AsyncDisposable {
  readonly ingress: Ingress;
  /** The texts of the keys that this start made; there is no other copy. */
  readonly firstKeys: FirstKeys | undefined;
}

/** Throws when another process holds the data directory. */
export async function startAllInOne(
  settings: EmbeddedSettings,
  context: ServiceContext,
): Promise<AllInOne> {
  const { directory } = settings;
  const { logger } = context;
  await using resources = new AsyncDisposableStack();
  await mkdir(directory, { recursive: true, mode: 0o700 });
  resources.use(await lockDirectory(directory));
  const hub = await openInProcessHub({ directory: join(directory, 'bus'), logger });
  resources.defer(() => hub.close());
  const contextOf = (service: ServiceName): ServiceContext & { readonly bus: Bus } => {
    const bus = resources.use(hub.connect({ service, instance: newInstanceId() }));
    return { ...contextFor(service, context), bus };
  };

  const audit = resources.use(
    await startAuditWriter(
      { database: { kind: 'pglite', directory: join(directory, 'audit') } },
      // Events wait in the log until the database is open, so the gateway is ready without it.
      { ...contextOf('audit-writer'), health: unwatched },
    ),
  );
  const ingressContext = contextOf('ingress');
  const ingressSettings = {
    ...settings.ingress,
    pepper: settings.pepper ?? (await loadPepper(directory)),
  };
  const keys = await KeyDirectory.open({ ...ingressSettings, bus: ingressContext.bus, logger });
  const firstKeys = await makeFirstKeys(keys);
  const past = await loadPastAdmissions({
    audit,
    bus: ingressContext.bus,
    configuration: settings.ingress.configuration,
    keys: keys.list(),
    logger,
  });
  await keys[Symbol.asyncDispose]();

  resources.use(
    await startRateLimiter({ store: { kind: 'memory', past } }, contextOf('rate-limiter')),
  );
  resources.use(await startCache({ store: { kind: 'memory' } }, contextOf('cache')));
  resources.use(await startProviderWorker(settings.worker, contextOf('provider-worker')));
  const ingress = resources.use(await startIngress(ingressSettings, ingressContext));

  const held = resources.move();
  return { ingress, firstKeys, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** Stands in where a check must not decide the readiness of the process. */
const unwatched: ServiceContext['health'] = {
  register: () => ({ [Symbol.dispose]: () => {} }),
  within: () => unwatched,
};
