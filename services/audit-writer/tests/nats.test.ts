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
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAuditWriter } from '../src/audit-writer.ts';
import { eventsOf } from './events.ts';

const logger = createLogger('audit-writer', { level: 'silent' });

let nats: RunningServer;
let postgres: PostgresServer;
beforeAll(async () => {
  [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
  await provisionNats({ url: nats.url });
});
afterAll(() => Promise.all([nats.stop(), postgres.stop()]));

const connect = (service: ServiceName): Promise<Bus> =>
  connectNatsBus({ url: nats.url, identity: { service, instance: newInstanceId() }, logger });

test('over NATS, an outage of PostgreSQL loses nothing and poison is set apart', async () => {
  await using ingress = await connect('ingress');
  await using bus = await connect('audit-writer');
  const { signal } = new AbortController();
  const health = new HealthChecks();
  const database = { kind: 'postgres' as const, url: new Secret(postgres.url) };
  await using writer = await startAuditWriter(
    { database, graceMs: 30_000 },
    { bus, logger, health, signal },
  );
  const backlog = () => ingress.backlog(consumers.auditWriter);
  const settled = () =>
    waitFor(async () => (await backlog()).pending === 0, { what: 'the events to be settled' });

  const all = Array.from({ length: 40 }, () => eventsOf());
  await Promise.all(all.map((events) => ingress.publish(events.received())));
  await settled();
  await postgres.kill();
  await ingress.publish(eventsOf().received({ model: 'nul \0' }));
  await Promise.all(all.map((events) => ingress.publish(events.finished())));
  await waitFor(() => health.readiness().failing.database, { what: 'the outage to be noticed' });
  await postgres.restart();
  await settled();

  const options = { timeoutMs: 5_000 };
  const { value } = await ingress.request(auditQueryEndpoint, { value: { limit: 200 } }, options);
  expect(value.data.map((row) => row.request_id).sort()).toEqual(
    all.map((events) => events.requestId).sort(),
  );
  expect(value.data.every(({ status }) => status === 200)).toBe(true);
  expect(await backlog()).toEqual({ pending: 0, quarantined: 1 });
  expect(await writer.recentAdmissions(0)).toHaveLength(all.length);
});
