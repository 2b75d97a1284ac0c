/**
 * The whole gateway in one process: the five services as they are, on the in-process bus, with memory
 * for Redis and PGlite for PostgreSQL.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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

/**
 * The gateway must be ready in two seconds. A ledger that opens later holds the limiter up, and until then
 * requests with a limit are refused, as they are when Redis is away.
 */
const LIMITER_TIMEOUT_MS = 1_500;

export interface AllInOne extends AsyncDisposable {
  readonly ingress: Ingress;
  /** The texts of the keys that this start made; there is no other copy. */
  readonly firstKeys: FirstKeys | undefined;
}

/** Throws a `StartError` when another process holds the data directory, or listens on the port. */
export async function startAllInOne(
  settings: EmbeddedSettings,
  context: ServiceContext,
): Promise<AllInOne> {
  const { directory } = settings;
  const { logger } = context;
  await using resources = new AsyncDisposableStack();
  resources.use(await lockDirectory(directory, 'GATEWAY_DATA_DIR'));
  const hub = await openInProcessHub({ directory: join(directory, 'bus'), logger });
  resources.defer(() => hub.close());
  const contextOf = (service: ServiceName): ServiceContext & { readonly bus: Bus } => {
    const bus = resources.use(hub.connect({ service, instance: newInstanceId() }));
    return { ...contextFor(service, context), bus };
  };

  const ledgerDirectory = join(directory, 'audit');
  const isLedgerNew = !existsSync(ledgerDirectory);
  const audit = resources.use(
    await startAuditWriter(
      {
        database: { kind: 'pglite', directory: ledgerDirectory },
        graceMs: settings.auditGraceMs,
      },
      // Events wait in the log until the database is open, so the gateway is ready without it.
      { ...contextOf('audit-writer'), health: unwatched },
    ),
  );
  const ingressContext = contextOf('ingress');
  const ingressSettings = {
    ...settings.ingress,
    pepper: settings.pepper ?? (await loadPepper(directory)),
    // Nobody else could take its clients, and Ctrl-C is to be quick.
    lameDuckMs: 0,
  };
  const keys = await KeyDirectory.open({ ...ingressSettings, bus: ingressContext.bus, logger });
  const limiterContext = contextOf('rate-limiter');
  const limiter = loadPastAdmissions({
    audit,
    isLedgerNew,
    bus: ingressContext.bus,
    configuration: settings.ingress.configuration,
    keys: keys.list(),
    logger,
    signal: context.signal,
  }).then((past) => startRateLimiter({ store: { kind: 'memory', past } }, limiterContext));
  await keys[Symbol.asyncDispose]();
  resources.defer(async () => (await limiter)[Symbol.asyncDispose]());
  let hasLimiter = false;
  limiter.then(
    () => {
      hasLimiter = true;
    },
    () => {},
  );
  const limiterHealth = () => hasLimiter || 'the limiter still reads what it admitted before';
  resources.use(limiterContext.health.register('past-admissions', limiterHealth));
  await startedWithin(limiter, LIMITER_TIMEOUT_MS);

  resources.use(await startCache({ store: { kind: 'memory' } }, contextOf('cache')));
  resources.use(await startProviderWorker(settings.worker, contextOf('provider-worker')));
  const ingress = resources.use(await startIngress(ingressSettings, ingressContext));
  // Last, since a start that fails would take their only texts with it.
  const firstKeys = await makeFirstKeys(ingress.keys);

  const held = resources.move();
  return { ingress, firstKeys, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

/** Resolves when the service has started, or with the time. Rejects when its start fails before. */
async function startedWithin(start: Promise<unknown>, timeoutMs: number): Promise<void> {
  const waiting = new AbortController();
  const expired = sleep(timeoutMs, undefined, { signal: waiting.signal }).catch(() => {});
  await Promise.race([start, expired]);
  waiting.abort();
}

/** Stands in where a check must not decide the readiness of the process. */
const unwatched: ServiceContext['health'] = {
  register: () => ({ [Symbol.dispose]: () => {} }),
  within: () => unwatched,
};
