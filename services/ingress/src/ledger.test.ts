import {
  EVENT_SCHEMA,
  type FinishedEvent,
  GatewayError,
  type GatewayEvent,
  gatewayEvent,
  NO_USAGE,
  newRequestId,
} from '@gateway/protocol';
import { createLogger } from '@gateway/telemetry';
import { waitFor } from '@gateway/testing';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Ledger } from './ledger.ts';
import { RefusalQueue } from './refusal-queue.ts';

const logger = createLogger('tests', { level: 'silent' });

function finished(): FinishedEvent {
  return {
    kind: 'finished',
    schema: EVENT_SCHEMA,
    requestId: newRequestId(),
    receivedAt: 1,
    tenant: '',
    keyId: '',
    endpoint: '/v1/models',
    method: 'GET',
    model: '',
    stream: false,
    clientIp: '127.0.0.1',
    userAgent: '',
    configurationRevision: '',
    finishedAt: 2,
    status: 401,
    ended: 'refused',
    attempts: 0,
    cacheOutcome: 'bypass',
    usage: NO_USAGE,
    latencyMs: 1,
    responseBytes: 0,
    assumed: false,
  };
}

/** An event log that stores, refuses, or keeps its callers waiting. */
function eventLog() {
  const stored: GatewayEvent[] = [];
  const asked: GatewayEvent[] = [];
  const state = { refuses: false, gate: Promise.resolve() };
  const spool = { events: 0, bytes: 0, admits: true };
  const record = async (event: GatewayEvent) => {
    asked.push(event);
    await state.gate;
    if (state.refuses) throw new GatewayError('audit_unavailable', 'Full.');
    stored.push(event);
  };
  return { stored, asked, state, spool, record, publish: record };
}

describe('Ledger', () => {
  test('records an event behind the answer until that succeeds', async () => {
    const log = eventLog();
    log.state.refuses = true;
    const ledger = new Ledger(log, logger);
    const event = finished();
    ledger.recordLater(event);
    await waitFor(() => log.asked.length === 2, { what: 'a second try' });
    log.state.refuses = false;
    await ledger[Symbol.asyncDispose]();
    expect(log.stored).toEqual([event]);
  });

  test('gives an event up that can never be recorded, and does not wait for it', async () => {
    const asked: GatewayEvent[] = [];
    const record = async (event: GatewayEvent) => {
      asked.push(event);
      throw new GatewayError('internal', 'Refused.');
    };
    const ledger = new Ledger({ record, spool: eventLog().spool }, logger);
    ledger.recordLater(finished());
    await ledger[Symbol.asyncDispose]();
    expect(asked).toHaveLength(1);
  });

  test('admits requests below its bound, and none at it', async () => {
    const log = eventLog();
    const gate = Promise.withResolvers<void>();
    log.state.gate = gate.promise;
    const ledger = new Ledger(log, logger, { admitWaitingMax: 2 });
    ledger.recordLater(finished());
    expect(() => ledger.admit()).not.toThrow();
    ledger.recordLater(finished());
    expect(ledger.outage).toBe('2 events wait to be recorded');
    expect(() => ledger.admit()).toThrow(expect.objectContaining({ code: 'audit_unavailable' }));
    gate.resolve();
    await ledger[Symbol.asyncDispose]();
    expect(() => ledger.admit()).not.toThrow();
  });

  test('admits no request while the spool has room for those that run alone', () => {
    const log = eventLog();
    const ledger = new Ledger(log, logger);
    expect(ledger.outage).toBeUndefined();
    Object.assign(log.spool, { events: 3, bytes: 900, admits: false });
    expect(() => ledger.admit()).toThrow(
      expect.objectContaining({
        code: 'audit_unavailable',
        facts: expect.objectContaining({ detail: '3 events wait in the spool, 900 bytes' }),
      }),
    );
  });

  test('keeps what fits, and loses one past it', async () => {
    const log = eventLog();
    const gate = Promise.withResolvers<void>();
    log.state.gate = gate.promise;
    const ledger = new Ledger(log, logger, { waitingMax: 2 });
    const events = [finished(), finished(), finished()];
    for (const event of events) ledger.recordLater(event);
    gate.resolve();
    await ledger[Symbol.asyncDispose]();
    expect(log.stored).toEqual(events.slice(0, 2));
  });

  test('waits at its end also for what came while it waited', async () => {
    const log = eventLog();
    const gate = Promise.withResolvers<void>();
    log.state.gate = gate.promise;
    const ledger = new Ledger(log, logger);
    ledger.recordLater(finished());
    const disposed = ledger[Symbol.asyncDispose]();
    ledger.recordLater(finished());
    gate.resolve();
    await disposed;
    expect(log.stored).toHaveLength(2);
  });
});

describe('RefusalQueue', () => {
  const SUMMARY_MS = 10_000;

  function startQueue(log: ReturnType<typeof eventLog>) {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    return new RefusalQueue({ bus: log, logger, configurationRevision: 'r1' });
  }

  /** A turn of the event loop ends everything that was started. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));

  const summaryOf = (refusals: number) => ({
    kind: 'finished',
    status: 401,
    errorCode: 'authentication_failed',
    configurationRevision: 'r1',
    ...{ tenant: '', keyId: '', endpoint: '', method: '', model: '', clientIp: '' },
    refusals,
  });

  test('keeps 256 refusals beside the one that is being stored, and sums up one past them', async () => {
    const log = eventLog();
    const gate = Promise.withResolvers<void>();
    log.state.gate = gate.promise;
    const queue = startQueue(log);
    const events = Array.from({ length: 258 }, finished);
    for (const event of events) queue.add(event);
    gate.resolve();
    await queue[Symbol.asyncDispose]();
    expect(log.stored.slice(0, 257)).toEqual(events.slice(0, 257));
    expect(log.stored.slice(257)).toMatchObject([summaryOf(1)]);
    expect(gatewayEvent.parse(log.stored.at(-1))).toEqual(log.stored.at(-1));
  });

  test('writes no summary where all have their own events', async () => {
    const log = eventLog();
    const gate = Promise.withResolvers<void>();
    log.state.gate = gate.promise;
    const queue = startQueue(log);
    const events = Array.from({ length: 257 }, finished);
    for (const event of events) queue.add(event);
    gate.resolve();
    await queue[Symbol.asyncDispose]();
    expect(log.stored).toEqual(events);
  });

  test('writes one summary in an interval, with all that was counted in it', async () => {
    const log = eventLog();
    const queue = startQueue(log);
    for (let count = 0; count < 1_000; count += 1) queue.count('too_many_failed_keys');
    vi.advanceTimersByTime(SUMMARY_MS - 1);
    await settle();
    expect(log.stored).toEqual([]);
    vi.advanceTimersByTime(1);
    await settle();
    expect(log.stored).toMatchObject([summaryOf(1_000)]);
    queue.count('too_many_failed_keys', 2);
    vi.advanceTimersByTime(2 * SUMMARY_MS);
    await settle();
    expect(log.stored).toMatchObject([summaryOf(1_000), summaryOf(2)]);
    await queue[Symbol.asyncDispose]();
    expect(log.stored).toHaveLength(2);
  });

  test('tries a summary that was not stored again under its id, and counts the next apart', async () => {
    const log = eventLog();
    const queue = startQueue(log);
    log.state.refuses = true;
    queue.count('too_many_failed_keys', 3);
    vi.advanceTimersByTime(SUMMARY_MS);
    await settle();
    queue.count('too_many_failed_keys', 4);
    log.state.refuses = false;
    await queue[Symbol.asyncDispose]();
    expect(log.stored).toMatchObject([summaryOf(3), summaryOf(4)]);
    expect(log.asked[0]).toEqual(log.stored[0]);
  });

  test('ends at once where nothing can be stored', async () => {
    const log = eventLog();
    const gate = Promise.withResolvers<void>();
    log.state.gate = gate.promise;
    log.state.refuses = true;
    const queue = startQueue(log);
    for (let count = 0; count < 100; count += 1) queue.add(finished());
    const disposed = queue[Symbol.asyncDispose]();
    gate.resolve();
    await disposed;
    // The first of them, and the summary of all.
    expect(log.asked).toMatchObject([{}, summaryOf(100)]);
    expect(log.asked).toHaveLength(2);
    expect(log.stored).toEqual([]);
  });

  test('goes on after a failure', async () => {
    const log = eventLog();
    log.state.refuses = true;
    const queue = startQueue(log);
    queue.add(finished());
    await settle();
    expect(log.asked).toHaveLength(1);
    log.state.refuses = false;
    const event = finished();
    queue.add(event);
    await queue[Symbol.asyncDispose]();
    expect(log.stored).toMatchObject([event, summaryOf(1)]);
  });
});
