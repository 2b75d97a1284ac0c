/** Events that no writer of ours makes, put into the real stream and read into a real database. */
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { type Bus, connectNatsBus, provisionNats } from '@gateway/bus';
import {
  auditQueryEndpoint,
  consumers,
  newInstanceId,
  type ServiceName,
  subjects,
} from '@gateway/protocol';
import { HealthChecks, Secret } from '@gateway/runtime';
import { createLogger, renderMetrics, startTelemetry } from '@gateway/telemetry';
import {
  type PostgresServer,
  type RunningServer,
  startNats,
  startPostgres,
  waitFor,
} from '@gateway/testing';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { startAuditWriter } from '../src/audit-writer.ts';
import { TEXT_LENGTH_MAX } from '../src/event-columns.ts';
import { eventsOf } from './events.ts';

const logger = createLogger('audit-writer', { level: 'silent' });
const SUBJECT = subjects.event('received');

let cleanUp: AsyncDisposableStack;
let nats: RunningServer;
let postgres: PostgresServer;
let ingress: Bus;

const connect = (service: ServiceName): Promise<Bus> =>
  connectNatsBus({ url: nats.url, identity: { service, instance: newInstanceId() }, logger });

beforeAll(async () => {
  cleanUp = new AsyncDisposableStack();
  const telemetry = await startTelemetry({ service: 'audit-writer', instance: 'a', version: '0' });
  cleanUp.defer(() => telemetry.shutdown());
  [nats, postgres] = await Promise.all([startNats(), startPostgres()]);
  cleanUp.use(nats);
  cleanUp.use(postgres);
  await provisionNats({ url: nats.url });
  ingress = cleanUp.use(await connect('ingress'));
  const bus = cleanUp.use(await connect('audit-writer'));
  const { signal } = new AbortController();
  const database = { kind: 'postgres' as const, url: new Secret(postgres.url) };
  const context = { bus, logger, health: new HealthChecks(), signal };
  cleanUp.use(await startAuditWriter({ database, graceMs: 30_000 }, context));
});
afterAll(() => cleanUp.disposeAsync());

/** Past the bus, which would not publish such bytes. Resolves when the server has taken them. */
async function publishBytes(payloads: readonly (string | Uint8Array)[]): Promise<void> {
  const { hostname, port } = new URL(nats.url);
  const socket = connectSocket(Number(port), hostname);
  await once(socket, 'connect');
  const lines = payloads.flatMap((payload) => {
    const bytes = Buffer.from(payload);
    return [Buffer.from(`PUB ${SUBJECT} ${bytes.length}\r\n`), bytes, Buffer.from('\r\n')];
  });
  const connectLine = Buffer.from('CONNECT {"verbose":false}\r\n');
  socket.write(Buffer.concat([connectLine, ...lines, Buffer.from('PING\r\n')]));
  let output = '';
  for await (const chunk of socket) {
    output += String(chunk);
    if (output.includes('PONG')) break;
  }
}

const backlog = () => ingress.backlog(consumers.auditWriter);
let quarantined = 0;
beforeEach(async () => {
  ({ quarantined } = await backlog());
});
const isQuarantined = (count: number) =>
  waitFor(async () => (await backlog()).quarantined === quarantined + count, {
    what: `${count} events to be quarantined`,
  });
/** What is stored is acknowledged a little later. */
const isPending = (count: number) =>
  waitFor(async () => (await backlog()).pending === count, { what: `${count} events to wait` });
const isStored = (requestId: string) =>
  waitFor(
    async () => {
      const message = { value: { limit: 200 } };
      const reply = await ingress.request(auditQueryEndpoint, message, { timeoutMs: 5_000 });
      return reply.value.data.find((row) => row.request_id === requestId);
    },
    { what: 'the row' },
  );

const good = () => eventsOf().received();
const attempt = (change: object) => JSON.stringify({ ...eventsOf().attempted(), ...change });

test.each<{ name: string; payload: string | Uint8Array }>([
  { name: 'nothing', payload: '' },
  { name: 'half a JSON text', payload: JSON.stringify(good()).slice(0, 80) },
  { name: 'no text at all', payload: Uint8Array.of(0xff, 0xfe, 0x00, 0x80) },
  { name: 'null', payload: 'null' },
  { name: 'a list', payload: `[${JSON.stringify(good())}]` },
  { name: 'an unknown kind', payload: JSON.stringify({ ...good(), kind: 'renewed' }) },
  { name: 'no schema', payload: JSON.stringify({ ...good(), schema: undefined }) },
  { name: 'a schema that is no number', payload: JSON.stringify({ ...good(), schema: '1' }) },
  { name: 'a schema before the first', payload: JSON.stringify({ ...good(), schema: 0 }) },
  { name: 'U+0000 in a text', payload: JSON.stringify({ ...good(), userAgent: 'a\0b' }) },
  { name: 'a text for a number', payload: JSON.stringify({ ...good(), receivedAt: '1' }) },
  { name: 'an id that is none', payload: JSON.stringify({ ...good(), requestId: "'; DROP" }) },
  {
    name: 'a number beyond bigint',
    payload: attempt({ usage: { inputTokens: 1e30, outputTokens: 0 } }),
  },
  {
    name: 'a number beyond any',
    payload: attempt({}).replace('"inputTokens":1000', '"inputTokens":1e999'),
  },
  { name: 'negative tokens', payload: attempt({ usage: { inputTokens: -1, outputTokens: 0 } }) },
  { name: 'a deep nest', payload: '['.repeat(100_000) },
  { name: '200 KB of another thing', payload: `"${'x'.repeat(200 * 1024)}"` },
])('$name is quarantined, and what comes with it is stored', async ({ payload }) => {
  const [before, after] = [good(), good()];
  await publishBytes([JSON.stringify(before), payload, JSON.stringify(after)]);
  await isStored(before.requestId);
  await isStored(after.requestId);
  await isQuarantined(1);
  await isPending(0);
});

test('a text that is too long is cut, not refused', async () => {
  const event = { ...good(), model: 'm'.repeat(200 * 1024) };
  await publishBytes([JSON.stringify(event)]);
  expect((await isStored(event.requestId))?.model).toHaveLength(TEXT_LENGTH_MAX);
  expect((await backlog()).quarantined).toBe(quarantined);
});

test('a flood of poison starves nothing, and is counted', async () => {
  const poison = Array.from({ length: 3_000 }, (_, index) => `poison ${index}`);
  const events = good();
  await publishBytes([...poison, JSON.stringify(events)]);
  await isStored(events.requestId);
  await isQuarantined(poison.length);
  const metrics = await renderMetrics();
  expect(metrics).toMatch(/gateway_audit_events_total\{.*outcome="quarantined".*\} 3\d{3}/);
});

test('an event of a newer schema is held, and what comes after it is stored', async () => {
  const events = good();
  await publishBytes([JSON.stringify({ ...good(), schema: 2 }), JSON.stringify(events)]);
  await isStored(events.requestId);
  await isPending(1);
  expect((await backlog()).quarantined).toBe(quarantined);
});
