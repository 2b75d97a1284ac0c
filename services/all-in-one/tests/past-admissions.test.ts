import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type AuditWriter, startAuditWriter } from '@gateway/audit-writer';
import { type Bus, openInProcessHub } from '@gateway/bus';
import { newInstanceId, newRequestId } from '@gateway/protocol';
import { HealthChecks } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { putNewLedger } from '@gateway/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadPastAdmissions, type PastAdmissionsOptions } from '../src/past-admissions.ts';

const logger = createLogger('all-in-one', { level: 'silent' });
const limit = { requests: 10, windowSeconds: 60 };

let resources: AsyncDisposableStack;
let stopping: AbortController;
let bus: Bus;
let audit: AuditWriter;

beforeEach(async () => {
  resources = new AsyncDisposableStack();
  stopping = new AbortController();
  const directory = await mkdtemp(join(tmpdir(), 'gateway-all-in-one-'));
  resources.defer(() => rm(directory, { recursive: true }));
  const ledger = join(directory, 'audit');
  await putNewLedger(ledger);
  const hub = await openInProcessHub({
    directory: join(directory, 'bus'),
    logger,
    freezesValues: true,
  });
  resources.defer(() => hub.close());
  bus = resources.use(hub.connect({ service: 'audit-writer', instance: newInstanceId() }));
  audit = resources.use(
    await startAuditWriter(
      { graceMs: 30_000, database: { kind: 'pglite', directory: ledger } },
      { bus, logger, health: new HealthChecks(), signal: stopping.signal },
    ),
  );
});
afterEach(async () => {
  stopping.abort();
  await resources.disposeAsync();
});

function load(options: Partial<PastAdmissionsOptions> = {}) {
  return loadPastAdmissions({
    audit,
    isLedgerNew: false,
    bus,
    configuration: {},
    keys: [{ limit }],
    logger,
    signal: stopping.signal,
    ...options,
  });
}

async function receive(keyId: string, receivedAt: number): Promise<void> {
  await bus.publish({
    kind: 'received',
    schema: 1,
    requestId: newRequestId(),
    receivedAt,
    tenant: 'default',
    keyId,
    endpoint: '/v1/chat/completions',
    method: 'POST',
    model: 'demo',
    stream: false,
    clientIp: '127.0.0.1',
    userAgent: '',
    configurationRevision: '0123456789abcdef',
    deadlineAt: receivedAt + 60_000,
  });
}

describe('loadPastAdmissions', () => {
  test('waits until everything that was received is in the ledger', async () => {
    const now = Date.now();
    for (let count = 0; count < 3; count += 1) await receive('limited', now);
    const scope = 'key:limited';
    expect(await load()).toEqual(Array(3).fill({ scope, atMs: now, requests: 1 }));
    // The default limit asks for the same.
    expect(await load({ keys: [{}], configuration: { keyLimit: limit } })).toHaveLength(3);
  });

  test('asks no ledger where no key is limited', async () => {
    await receive('unlimited', Date.now());
    expect(await load({ keys: [{}] })).toEqual([]);
  });

  test('asks no ledger that is new, unless events wait for it', async () => {
    expect(await load({ isLedgerNew: true })).toEqual([]);
    await receive('limited', Date.now());
    expect(await load({ isLedgerNew: true })).toHaveLength(1);
  });

  test('ends with the process', async () => {
    await receive('limited', Date.now());
    const loading = load();
    stopping.abort();
    await expect(loading).resolves.toBeInstanceOf(Array);
  });
});
