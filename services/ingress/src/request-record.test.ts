import {
  type AttemptedEvent,
  attemptedEvent,
  GatewayError,
  gatewayEvent,
  newRequestId,
} from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { type ClientRequest, durationText, RequestRecord } from './request-record.ts';

function clientRequest(fields: Partial<ClientRequest> = {}): ClientRequest {
  return {
    requestId: newRequestId(),
    receivedAt: Date.now() - 50,
    key: {
      schema: 1,
      id: 'key',
      tenant: 'acme',
      name: 'a key',
      role: 'client',
      digest: '0'.repeat(64),
      createdAt: '2026-01-01T00:00:00Z',
    },
    endpoint: '/v1/chat/completions',
    method: 'POST',
    clientIp: '127.0.0.1',
    userAgent: 'tests',
    traceId: undefined,
    header: () => undefined,
    body: new Uint8Array(),
    ...fields,
  };
}

const usage = {
  inputTokens: 1,
  outputTokens: 2,
  cachedInputTokens: 3,
  cacheWriteInputTokens: 4,
  reasoningTokens: 5,
};

function attempted({ requestId }: ClientRequest, attempt: number): AttemptedEvent {
  return attemptedEvent.parse({
    kind: 'attempted',
    schema: 1,
    requestId,
    attempt,
    at: 1,
    tenant: 'acme',
    provider: 'first',
    model: 'm',
    usage,
    usageSource: 'provider',
    latencyMs: 1,
  });
}

const outcome = { status: 200, ended: 'complete', bytes: 9, firstByteAt: undefined } as const;

function headersOf(record: RequestRecord): Record<string, string> {
  const list = record.headers();
  const entries: [string, string][] = [];
  for (let at = 0; at < list.length; at += 2) entries.push([list[at] ?? '', list[at + 1] ?? '']);
  return Object.fromEntries(entries);
}

describe('RequestRecord', () => {
  test('makes events that readers take', () => {
    const record = new RequestRecord(clientRequest({ traceId: 'a'.repeat(32) }), 'revision');
    record.asksFor('gpt', true);
    expect(gatewayEvent.safeParse(record.received(Date.now())).success).toBe(true);
    const error = new GatewayError('provider_timeout', 'Too slow.');
    const event = record.finished({ ...outcome, error, firstByteAt: Date.now() });
    expect(gatewayEvent.parse(event)).toMatchObject({ errorCode: 'provider_timeout' });
    expect(event.latencyMs).toBeGreaterThanOrEqual(50);
  });

  test('adds up the usage of all attempts', () => {
    const request = clientRequest();
    const record = new RequestRecord(request, 'revision');
    record.attempted(attempted(request, 1));
    record.attempted(attempted(request, 2));
    expect([record.knowsAttempt(2), record.knowsAttempt(3)]).toEqual([true, false]);
    expect(record.finished(outcome)).toMatchObject({
      attempts: 2,
      usage: { inputTokens: 2, outputTokens: 4, reasoningTokens: 10 },
    });
  });

  test('cuts what clients send at 256 characters, pairs of surrogates as a whole', () => {
    const record = new RequestRecord(clientRequest({ userAgent: 'u'.repeat(257) }), 'revision');
    record.asksFor(`${'m'.repeat(255)}😀`, false);
    const { model, userAgent } = record.finished(outcome);
    expect(model).toBe(`${'m'.repeat(255)}\ufffd`);
    expect(userAgent).toHaveLength(256);
    record.asksFor('m'.repeat(256), false);
    expect(record.finished(outcome).model).toHaveLength(256);
  });

  test('shows the tightest limit', () => {
    const record = new RequestRecord(clientRequest(), 'revision');
    expect(headersOf(record)).not.toHaveProperty('x-ratelimit-limit-requests');
    record.limitedBy([
      { scope: 'key:a', kind: 'requests', amount: 100, remaining: 50, resetMs: 1_000 },
      { scope: 'key:b', kind: 'requests', amount: 10, remaining: 5, resetMs: 8_640 },
      { scope: 'key:c', kind: 'requests', amount: 20, remaining: 5, resetMs: 1 },
    ]);
    expect(headersOf(record)).toMatchObject({
      'x-ratelimit-limit-requests': '10',
      'x-ratelimit-remaining-requests': '5',
      'x-ratelimit-reset-requests': '8.64s',
    });
  });

  test.for([
    ['gpt-4o', 'gpt-4o'],
    ['mödel\r\n', 'm%C3%B6del%0D%0A'],
    ['\ud800', '%EF%BF%BD'],
  ] as const)('puts the model %j into a header as %s', ([model, text]) => {
    const record = new RequestRecord(clientRequest(), 'revision');
    record.answeredBy('first', model);
    expect(headersOf(record)['x-gateway-model']).toBe(text);
  });
});

test.for([
  [0, '0ms'],
  [0.5, '1ms'],
  [17, '17ms'],
  [999, '999ms'],
  [1_000, '1s'],
  [8_640, '8.64s'],
  [59_999, '59.999s'],
  [60_000, '1m0s'],
  [90_001, '1m31s'],
  [3_599_001, '1h0m0s'],
  [3_600_000, '1h0m0s'],
  [3_723_000, '1h2m3s'],
] as const)('durationText writes %d ms as %s', ([durationMs, text]) => {
  expect(durationText(durationMs)).toBe(text);
});
