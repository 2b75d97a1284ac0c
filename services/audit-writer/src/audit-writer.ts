import type { Bus, Subscription } from '@gateway/bus';
import { auditQueryEndpoint, consumers } from '@gateway/protocol';
import type { ServiceContext } from '@gateway/runtime';
import type { Logger } from '@gateway/telemetry';
import { keepClosingAbandoned } from './close-abandoned.ts';
import type { Database } from './database.ts';
import { DatabaseOutage } from './database-outage.ts';
import { migrate } from './migrate.ts';
import { makePartitions } from './partitions.ts';
import { pause } from './pause.ts';
import { openPglite } from './pglite.ts';
import type { PostgresAddress } from './postgres.ts';
import { auditUnavailable, queryAudit } from './query.ts';
import { type Admission, recentAdmissions } from './recent-admissions.ts';
import { BATCH_MAX, BatchWriter } from './write-batch.ts';

export interface AuditWriterSettings {
  readonly database:
    | ({ readonly kind: 'postgres' } & PostgresAddress)
    /** Embedded. No other process may hold the directory. */
    | { readonly kind: 'pglite'; readonly directory: string };
  /** How long after its deadline a request without an end counts as abandoned. */
  readonly graceMs: number;
}

export type AuditWriterContext = Pick<ServiceContext, 'logger' | 'health' | 'signal'> & {
  readonly bus: Bus;
};

export interface AuditWriter extends AsyncDisposable {
  /**
   * What the limiter counted since a time (milliseconds since 1970), newest first, at most
   * `ADMISSIONS_MAX`. Waits until the database is open; throws when it cannot be asked.
   */
  recentAdmissions(sinceMs: number): Promise<readonly Admission[]>;
}

/**
 * A transaction costs as much as many rows; so long a row may be late. Events of other processes stay
 * bytes until then. Those of this process are objects: read while they are young, they are gone before
 * the collector copies them.
 */
const WAITS = {
  postgres: { lingerMs: 200, gatherMs: 0 },
  pglite: { lingerMs: 30, gatherMs: 170 },
} as const;
/** Most requests end within it, and are written once then. Those that run on are seen so much later. */
const HOLD_MS = 500;
const QUERIES_MAX = 4;
const TRY_AGAIN_MS = 500;
const PROBE_INTERVAL_MS = 2_000;
const PARTITION_INTERVAL_MS = 6 * 60 * 60 * 1000;

/**
 * Stores events and answers audit queries. It starts at once and opens its database in the
 * background, again and again until that works: meanwhile events wait in the stream, queries are
 * `audit_unavailable` and the health check `database` says why. Disposal writes the batch at hand.
 */
export async function startAuditWriter(
  settings: AuditWriterSettings,
  context: AuditWriterContext,
): Promise<AuditWriter> {
  const { bus, logger, health } = context;
  await using resources = new AsyncDisposableStack();
  const database = await openDatabase(settings);
  resources.defer(() => database.close());
  const outage = new DatabaseOutage(logger);
  let isOpen = false;
  const whyUnusable = () => outage.reason ?? (isOpen ? undefined : 'the database is being opened');
  resources.use(health.register('database', () => whyUnusable() ?? true));
  resources.use(health.register('bus', () => bus.outage ?? true));
  const queries = await bus.respond(
    auditQueryEndpoint,
    async ({ value }) => {
      const reason = whyUnusable();
      if (reason !== undefined) throw auditUnavailable(reason);
      return { value: await queryAudit(database, value) };
    },
    { concurrencyMax: QUERIES_MAX },
  );
  resources.defer(() => queries.drain());

  const stopping = new AbortController();
  const signal = AbortSignal.any([context.signal, stopping.signal]);
  const opened = openUntilDone(database, outage, signal);
  const consuming = opened.then(async (hasOpened) => {
    isOpen = hasOpened;
    if (!isOpen) return undefined;
    keepProbing(database, outage, signal);
    keepPartitions(database, logger, signal);
    const { graceMs } = settings;
    keepClosingAbandoned({ bus, database, outage, logger, graceMs, signal });
    const { lingerMs, gatherMs } = WAITS[settings.database.kind];
    const holdMs = HOLD_MS;
    const writer = new BatchWriter({ database, outage, logger, signal, holdMs, gatherMs });
    const consume = () =>
      bus.consume(consumers.auditWriter, writer.write, { batchMax: BATCH_MAX, lingerMs });
    const subscription = await untilDone(consume, logger, signal);
    return { writer, subscription };
  });
  resources.defer(async () => {
    stopping.abort();
    const consumed = await consuming;
    await consumed?.subscription?.drain();
    await consumed?.writer.flush();
  });

  const owned = resources.move();
  return {
    async recentAdmissions(sinceMs) {
      if (!(await opened)) throw auditUnavailable('the audit-writer stops');
      return recentAdmissions(database, sinceMs);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** PostgreSQL's client is loaded where it is used: the embedded gateway starts without. */
async function openDatabase({ database }: AuditWriterSettings): Promise<Database> {
  if (database.kind === 'pglite') return openPglite(database.directory);
  const { openPostgres } = await import('./postgres.ts');
  return openPostgres(database);
}

/** False when it was stopped before. */
async function openUntilDone(
  database: Database,
  outage: DatabaseOutage,
  signal: AbortSignal,
): Promise<boolean> {
  while (!signal.aborted) {
    try {
      await migrate(database);
      await makePartitions(database, new Date());
      outage.end('opening');
      return true;
    } catch (error) {
      outage.begin('opening', error);
      await pause(TRY_AGAIN_MS, signal);
    }
  }
  return false;
}

async function untilDone(
  consume: () => Promise<Subscription>,
  logger: Logger,
  signal: AbortSignal,
): Promise<Subscription | undefined> {
  while (!signal.aborted) {
    try {
      return await consume();
    } catch (error) {
      logger.error({ error }, 'events cannot be consumed now');
      await pause(TRY_AGAIN_MS, signal);
    }
  }
  return undefined;
}

/** Finds an outage while nothing is written, and its end. */
async function keepProbing(
  database: Database,
  outage: DatabaseOutage,
  signal: AbortSignal,
): Promise<void> {
  while (await pause(PROBE_INTERVAL_MS, signal)) {
    await database.query('SELECT 1').then(
      () => outage.end('probing'),
      (error: unknown) => outage.begin('probing', error),
    );
  }
}

async function keepPartitions(
  database: Database,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (await pause(PARTITION_INTERVAL_MS, signal)) {
    await makePartitions(database, new Date()).catch((error: unknown) => {
      logger.warn({ error }, 'the partitions of the coming months could not be made');
    });
  }
}
