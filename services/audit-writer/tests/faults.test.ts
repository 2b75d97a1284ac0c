/** Faults of PostgreSQL and of the writer itself, over real NATS and into a real PostgreSQL. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Bus, connectNatsBus, provisionNats } from '@gateway/bus';
import { auditQueryEndpoint, consumers, newInstanceId, type ServiceName } from '@gateway/protocol';
import { HealthChecks, Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import {
  type PostgresServer,
  type RunningServer,
  startNats,
  startPostgres,
  waitFor,
} from '@gateway/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startAuditWriter } from '../src/audit-writer.ts';
import type { Database } from '../src/database.ts';
import { openPostgres } from '../src/postgres.ts';
import { eventsOf } from './events.ts';

const logger = createLogger('audit-writer', { level: 'silent' });
/** An outage is given up after the longest statement and connect timeouts. */
const OUTAGE_TIMEOUT_MS = 30_000;

let cleanUp: AsyncDisposableStack;
let nats: RunningServer;
let postgres: PostgresServer;
let ingress: Bus;
let url: string;

beforeEach(async () => {
  cleanUp = new AsyncDisposableStack();
  [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
  cleanUp.use(nats);
  cleanUp.use(postgres);
  await provisionNats({ url: nats.url });
  url = await postgres.createDatabase();
  ingress = cleanUp.use(await connect('ingress'));
});
afterEach(() => cleanUp.disposeAsync());

const connect = (service: ServiceName): Promise<Bus> =>
  connectNatsBus({ url: nats.url, identity: { service, instance: newInstanceId() }, logger });

async function startWriter() {
  const bus = cleanUp.use(await connect('audit-writer'));
  const health = new HealthChecks();
  health.markStarted();
  const { signal } = new AbortController();
  const database = { kind: 'postgres' as const, url: new Secret(url) };
  cleanUp.use(
    await startAuditWriter({ database, graceMs: 30_000 }, { bus, logger, health, signal }),
  );
  return health;
}

async function openOther(address = url): Promise<Database> {
  const other = openPostgres({ url: new Secret(address) });
  cleanUp.defer(() => other.close());
  return other;
}

const backlog = () => ingress.backlog(consumers.auditWriter);
const settled = (timeoutMs = OUTAGE_TIMEOUT_MS) =>
  waitFor(async () => (await backlog()).pending === 0, { what: 'the backlog to drain', timeoutMs });
const readAudit = () =>
  ingress.request(auditQueryEndpoint, { value: { limit: 1 } }, { timeoutMs: 30_000 });

/** Three events of each request. */
async function publishRequests(count: number): Promise<void> {
  const all = Array.from({ length: count }, () => eventsOf());
  await Promise.all(
    all
      .flatMap((events) => [events.received(), events.attempted(), events.finished()])
      .map((event) => ingress.publish(event, { timeoutMs: 20_000 })),
  );
}

async function countRows(): Promise<{ requests: number; attempts: number; open: number }> {
  const other = await openOther();
  const [row] = await other.query(
    `SELECT (SELECT count(*) FROM requests)::text AS requests,
       (SELECT count(*) FROM attempts)::text AS attempts,
       (SELECT count(*) FROM requests WHERE finished_at IS NULL)::text AS open`,
  );
  const { requests, attempts, open } = row ?? {};
  return { requests: Number(requests), attempts: Number(attempts), open: Number(open) };
}

const administration = () => openOther(url.replace(/\/[^/]+$/, '/postgres'));

interface Fault {
  readonly name: string;
  begin(): Promise<void>;
  /** Resolves when the server is as it was. */
  end(): Promise<void>;
}

const setReadOnly = async (value: 'on' | 'off') => {
  const other = await administration();
  await other.query(`ALTER SYSTEM SET default_transaction_read_only = ${value}`);
  await other.query('SELECT pg_reload_conf()');
};

const endSessions = async () => {
  const other = await administration();
  await other.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE application_name = 'gateway-audit-writer' AND pid <> pg_backend_pid()`,
  );
};

const faults: readonly Fault[] = [
  {
    name: 'is killed',
    begin: async () => void (await postgres.kill()),
    end: () => postgres.restart(),
  },
  {
    name: 'hangs',
    begin: async () => postgres.pause(),
    end: async () => postgres.resume(),
  },
  {
    name: 'becomes read-only',
    begin: () => setReadOnly('on'),
    end: () => setReadOnly('off'),
  },
];

describe.each(faults)('PostgreSQL $name', (fault) => {
  test('and nothing is lost, the audit says so, and the backlog drains when it is back', async () => {
    const health = await startWriter();
    await publishRequests(10);
    await settled();
    await fault.begin();
    await publishRequests(200);
    await waitFor(() => !health.readiness().isReady, {
      what: 'the outage to be noticed',
      timeoutMs: OUTAGE_TIMEOUT_MS,
    });
    await expect(readAudit()).rejects.toMatchObject({ code: 'audit_unavailable' });
    expect((await backlog()).pending).toBeGreaterThan(0);

    await fault.end();
    await settled();
    expect(await countRows()).toEqual({ requests: 210, attempts: 210, open: 0 });
    expect(await backlog()).toEqual({ pending: 0, quarantined: 0 });
    await waitFor(() => health.readiness().isReady, { what: 'readiness' });
  });
});

test('sessions that an administrator ends are replaced and lose nothing', async () => {
  await startWriter();
  for (let round = 0; round < 5; round++) {
    const published = publishRequests(100);
    await endSessions();
    await published;
  }
  await settled();
  expect(await countRows()).toEqual({ requests: 500, attempts: 500, open: 0 });
});

test('a server without a free connection is waited for', async () => {
  const other = await administration();
  const name = new URL(url).pathname.slice(1);
  await other.query(`ALTER DATABASE "${name}" CONNECTION LIMIT 0`);
  await other.query(`CREATE ROLE writer LOGIN`);
  await other.query(`ALTER DATABASE "${name}" OWNER TO writer`);
  url = url.replace('//gateway:gateway@', '//writer:writer@');
  const health = await startWriter();
  await publishRequests(5);
  await waitFor(() => /too many connections/.test(health.readiness().failing.database ?? ''), {
    what: 'the reason to be said',
  });
  await other.query(`ALTER DATABASE "${name}" CONNECTION LIMIT -1`);
  await settled();
  expect(await countRows()).toEqual({ requests: 5, attempts: 5, open: 0 });
});

test('writers killed between commit and acknowledgement leave each row once', async () => {
  const kills = 4;
  await publishRequests(100);
  const published = (await backlog()).pending;
  expect(published).toBeGreaterThan(0);
  for (let killed = 0; killed < kills; killed++) expect(await startKilledWriter()).toBe('SIGKILL');
  expect((await backlog()).pending).toBe(published);
  expect((await countRows()).requests).toBeGreaterThan(0);
  await startWriter();
  await settled(60_000);
  expect(await countRows()).toEqual({ requests: 100, attempts: 100, open: 0 });
});

/** Resolves with the signal that it died of, once its one batch was committed. */
async function startKilledWriter(): Promise<NodeJS.Signals | null> {
  const script = fileURLToPath(new URL('killed-writer-main.ts', import.meta.url));
  const child = spawn(process.execPath, [script, nats.url, url], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  cleanUp.defer(() => void child.kill('SIGKILL'));
  const [, signal] = await once(child, 'exit');
  return signal;
}
