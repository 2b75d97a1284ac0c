import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, openInProcessHub } from '@gateway/bus';
import {
  type AuditPage,
  auditQueryEndpoint,
  consumers,
  type GatewayEvent,
  newInstanceId,
} from '@gateway/protocol';
import { HealthChecks, Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { type PostgresServer, putNewLedger, startPostgres, waitFor } from '@gateway/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type AuditWriter,
  type AuditWriterSettings,
  startAuditWriter,
} from '../src/audit-writer.ts';
import { BACKLOG_MAX, closeAbandoned } from '../src/close-abandoned.ts';
import { DatabaseOutage } from '../src/database-outage.ts';
import { openPostgres } from '../src/postgres.ts';
import { eventsOf } from './events.ts';

const logger = createLogger('audit-writer', { level: 'silent' });

let server: PostgresServer;
let cleanUp: AsyncDisposableStack;
let connect: (service: 'audit-writer' | 'ingress') => Bus;
let ingress: Bus;

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

beforeEach(async () => {
  cleanUp = new AsyncDisposableStack();
  const directory = mkdtempSync(join(tmpdir(), 'gateway-audit-'));
  cleanUp.defer(() => rmSync(directory, { recursive: true, force: true }));
  const hub = await openInProcessHub({ directory, durability: 'process', freezesValues: true });
  cleanUp.defer(() => hub.close());
  connect = (service) => hub.connect({ service, instance: newInstanceId() });
  ingress = cleanUp.use(connect('ingress'));
});
afterEach(() => cleanUp.disposeAsync());

interface Started {
  readonly writer: AuditWriter;
  readonly health: HealthChecks;
}

async function start(
  database: AuditWriterSettings['database'],
  graceMs = 30_000,
): Promise<Started> {
  const health = new HealthChecks();
  health.markStarted();
  const bus = cleanUp.use(connect('audit-writer'));
  const { signal } = new AbortController();
  const writer = cleanUp.use(
    await startAuditWriter({ database, graceMs }, { bus, logger, health, signal }),
  );
  return { writer, health };
}

async function emptyDatabase(): Promise<AuditWriterSettings['database']> {
  return { kind: 'postgres', url: new Secret(await server.createDatabase()) };
}

async function publishAll(events: readonly GatewayEvent[]): Promise<void> {
  for (const event of events) await ingress.publish(event);
}

async function read(limit = 200): Promise<AuditPage> {
  const reply = await ingress.request(
    auditQueryEndpoint,
    { value: { limit } },
    { timeoutMs: 10_000 },
  );
  return reply.value;
}

const settled = () =>
  waitFor(async () => (await ingress.backlog(consumers.auditWriter)).pending === 0, {
    what: 'every event to be settled',
    // The first opening of an embedded database takes seconds, on a busy machine many.
    timeoutMs: 50_000,
  });

const ready = (health: HealthChecks) =>
  waitFor(() => health.readiness().isReady, { what: 'readiness' });

describe('startAuditWriter', () => {
  test('stores what is published and answers what is stored', async () => {
    const { writer, health } = await start(await emptyDatabase());
    const events = eventsOf();
    await publishAll([events.received(), events.attempted(), events.finished()]);
    await settled();
    const { data } = await read();
    expect(data).toMatchObject([{ request_id: events.requestId, status: 200, attempts: 1 }]);
    expect(health.readiness().failing).toEqual({});
    const admissions = await writer.recentAdmissions(0);
    expect(admissions.map(({ requestId }) => requestId)).toEqual([events.requestId]);
  });

  test('stores in PGlite, across a restart', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'gateway-audit-'));
    cleanUp.defer(() => rmSync(parent, { recursive: true, force: true }));
    const directory = join(parent, 'audit');
    await putNewLedger(directory);
    const [first, second] = [eventsOf(), eventsOf()];
    await publishAll([first.received()]);
    const { writer } = await start({ kind: 'pglite', directory });
    await settled();
    await writer[Symbol.asyncDispose]();
    await publishAll([first.finished(), second.finished()]);
    await start({ kind: 'pglite', directory });
    await settled();
    expect((await read()).data).toHaveLength(2);
  });

  test('quarantines poison beside what it stores', async () => {
    await start(await emptyDatabase());
    const events = eventsOf();
    await publishAll([eventsOf().received({ model: 'nul \0' }), events.received()]);
    await settled();
    expect((await ingress.backlog(consumers.auditWriter)).quarantined).toBe(1);
    expect((await read()).data).toMatchObject([{ request_id: events.requestId }]);
  });

  test('two writers share the work', async () => {
    const database = await emptyDatabase();
    await Promise.all([start(database), start(database)]);
    const all = Array.from({ length: 60 }, () => eventsOf());
    await publishAll(all.flatMap((events) => [events.received(), events.finished()]));
    await settled();
    const { data } = await read();
    expect(data).toHaveLength(all.length);
    expect(data.every(({ status }) => status === 200)).toBe(true);
  });

  test('writes the batch at hand when it is disposed', async () => {
    const database = await emptyDatabase();
    const { writer, health } = await start(database);
    await ready(health);
    const events = Array.from({ length: 20 }, () => eventsOf().received());
    await publishAll(events);
    await writer[Symbol.asyncDispose]();
    await start(database);
    await settled();
    expect((await read()).data).toHaveLength(events.length);
  });
});

describe('a request whose ingress died', () => {
  test('is closed after the grace, once, by several writers', async () => {
    const database = await emptyDatabase();
    await Promise.all([start(database, 100), start(database, 100)]);
    const [running, lost] = [eventsOf(), eventsOf()];
    await publishAll([running.received({ deadlineAt: Date.now() + 600_000 }), lost.received()]);
    const closed = await waitFor(
      async () => (await read()).data.find((row) => row.ended === 'abandoned'),
      { what: 'the request to be closed' },
    );
    expect(closed).toMatchObject({ request_id: lost.requestId, attempts: 1, assumed: true });
    await publishAll([lost.finished(), lost.attempted()]);
    const corrected = await waitFor(
      async () => (await read()).data.find((row) => row.status === 200 && row.input_tokens > 0),
      { what: 'the row to be corrected' },
    );
    expect(corrected).toMatchObject({ request_id: lost.requestId, attempts: 1, assumed: false });
    const rows = (await read()).data.map((row) => [row.request_id, row.status]);
    expect(rows).toContainEqual([running.requestId, null]);
  });

  test('waits while more events wait than its end may be among', async () => {
    const settings = await emptyDatabase();
    const { writer, health } = await start(settings);
    await ready(health);
    const lost = eventsOf();
    await publishAll([lost.received()]);
    await settled();
    await writer[Symbol.asyncDispose]();
    if (!('url' in settings)) throw new Error('expected a URL');
    const database = openPostgres(settings);
    cleanUp.defer(() => database.close());
    const bus = cleanUp.use(connect('audit-writer'));
    const { signal } = new AbortController();
    const outage = new DatabaseOutage(logger);
    const round = () =>
      closeAbandoned({ bus, database, outage, logger, graceMs: 0, signal }, Date.now());
    const pending = async () => (await ingress.backlog(consumers.auditWriter)).pending;
    await publishAll(Array.from({ length: BACKLOG_MAX + 1 }, () => eventsOf().received()));
    expect(await pending()).toBe(BACKLOG_MAX + 1);
    expect((await round()).closed).toBe(0);
    let isFirst = true;
    const takeOne = await bus.consume(
      consumers.auditWriter,
      async (batch) => {
        for (const delivery of batch) {
          if (isFirst) delivery.acknowledge();
          else delivery.retry(60_000);
          isFirst = false;
        }
      },
      { batchMax: 1, lingerMs: 0 },
    );
    await waitFor(async () => (await pending()) <= BACKLOG_MAX, { what: 'one event to be taken' });
    await takeOne.drain();
    expect((await round()).closed).toBe(1);
  });
});

describe('while PostgreSQL is away', () => {
  let outageServer: PostgresServer;
  beforeAll(async () => {
    outageServer = await startPostgres();
  });
  afterAll(() => outageServer.stop());

  test('starts, says why it is not ready, and recovers by itself', async () => {
    const url = await outageServer.createDatabase();
    await outageServer.kill();
    const { health } = await start({ kind: 'postgres', url: new Secret(url) });
    const waiting = eventsOf();
    await publishAll([waiting.received()]);
    await waitFor(() => /ECONNREFUSED/.test(health.readiness().failing.database ?? ''), {
      what: 'the health check to say why',
    });
    await expect(read()).rejects.toMatchObject({ code: 'audit_unavailable' });

    await outageServer.restart();
    await settled();
    expect((await read()).data).toMatchObject([{ request_id: waiting.requestId }]);
    await ready(health);
  });

  test('loses nothing and writes within two seconds of its return', async () => {
    const url = await outageServer.createDatabase();
    const { health } = await start({ kind: 'postgres', url: new Secret(url) });
    const all = Array.from({ length: 150 }, () => eventsOf());
    await publishAll(all.slice(0, 50).map((events) => events.received()));
    await settled();
    await outageServer.kill();
    await publishAll(all.slice(50).map((events) => events.received()));
    await waitFor(() => !health.readiness().isReady, { what: 'the outage to be noticed' });

    await outageServer.restart();
    const returnedAtMs = performance.now();
    await settled();
    expect(performance.now() - returnedAtMs).toBeLessThan(2_000);
    const { data } = await read();
    expect(new Set(data.map((row) => row.request_id))).toEqual(
      new Set(all.map((events) => events.requestId)),
    );
  });
});

test('a locked table delays events and splits the batch', async () => {
  const url = new Secret(await server.createDatabase());
  const { health } = await start({ kind: 'postgres', url });
  await ready(health);
  const other = openPostgres({ url });
  cleanUp.defer(() => other.close());
  const blocked = async () => {
    const rows = await other.query(
      `SELECT 1 FROM pg_stat_activity WHERE datname = current_database()
         AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO requests%'`,
    );
    return rows.length > 0;
  };
  const locked = other.transaction(async (connection) => {
    await connection.query('LOCK TABLE requests');
    await publishAll(Array.from({ length: 4 }, () => eventsOf().received()));
    await waitFor(blocked, { what: 'the writer to wait for the lock' });
    await waitFor(async () => !(await blocked()), { what: 'its timeout', intervalMs: 1 });
  });
  await locked;
  await settled();
  const rows = await other.query('SELECT DISTINCT xmin::text FROM requests');
  expect(rows.length).toBeGreaterThan(1);
  expect((await read()).data).toHaveLength(4);
});
