import { consumers } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import {
  ANSWER,
  answering,
  attemptedBy,
  chat,
  EVENTS,
  errorOf,
  openAnswer,
  startHarness,
} from './ingress-harness.ts';

describe('an answered request', () => {
  test('is relayed whole with the headers that say how it was answered', async () => {
    const gateway = await startHarness();
    const response = await gateway.post(chat({ temperature: 0 }));
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(ANSWER);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/json',
      'x-gateway-provider': 'first',
      'x-gateway-model': 'one-target',
      'x-gateway-cache': 'miss',
      'x-gateway-attempts': '1',
      'x-ratelimit-limit-requests': '10',
      'x-ratelimit-remaining-requests': '9',
      'x-ratelimit-reset-requests': '1m0s',
    });
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({
      status: 200,
      ended: 'complete',
      attempts: 1,
      cacheOutcome: 'miss',
      provider: 'first',
      targetModel: 'one-target',
      model: 'one-target',
      keyId: 'bootstrap-client',
      tenant: 'default',
      clientIp: '127.0.0.1',
      usage: { inputTokens: 3, outputTokens: 5 },
      responseBytes: ANSWER.length,
    });
    expect(gateway.reached).toEqual({ limiter: 1, cache: 1, worker: 1 });
  });

  test('is streamed as its pieces come', async () => {
    const next = Promise.withResolvers<void>();
    const gateway = await startHarness({
      worker: async (call) => {
        openAnswer(call);
        await call.data(Buffer.from(EVENTS[0] ?? ''));
        await next.promise;
        for (const event of EVENTS.slice(1)) await call.data(Buffer.from(event));
        await call.end(attemptedBy(call));
      },
    });
    const response = await gateway.post(chat({ stream: true }));
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('x-gateway-attempts')).toBe('1');
    expect(response.headers.get('cache-control')).toBe('no-cache');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader?.read())?.value).toBe(EVENTS[0]);
    next.resolve();
    let rest = '';
    for (let part = await reader?.read(); part?.value; part = await reader?.read())
      rest += part.value;
    expect(rest).toBe(EVENTS.slice(1).join(''));
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ ended: 'complete', stream: true, attempts: 1 });
    expect(event.timeToFirstTokenMs).toBeLessThanOrEqual(event.latencyMs);
  });

  test('is not asked of the limiter where no limit binds the key', async () => {
    const gateway = await startHarness({ environment: { RATE_LIMIT_REQUESTS: '' } });
    const response = await gateway.post(chat());
    expect(response.status).toBe(200);
    expect(response.headers.get('x-ratelimit-limit-requests')).toBeNull();
    expect(response.headers.get('x-gateway-cache')).toBe('bypass');
    expect(gateway.reached).toEqual({ limiter: 0, cache: 0, worker: 1 });
  });

  test('has its `received` durable before a worker is called', async () => {
    const pending: number[] = [];
    const gateway = await startHarness({
      consumes: false,
      worker: async (call) => {
        pending.push((await gateway.auditWriter.backlog(consumers.auditWriter)).pending);
        await answering(call);
      },
    });
    expect((await gateway.post(chat())).status).toBe(200);
    expect(pending).toEqual([1]);
  });
});

describe('a refused request', () => {
  test('is told when it may come again, and never reaches a worker', async () => {
    const gateway = await startHarness({
      limiter: async ({ value }) => ({
        value: {
          allowed: false,
          limits: value.limits.map(({ scope, kind, amount }) => ({
            scope,
            kind,
            amount,
            remaining: 0,
            resetMs: 90_000,
          })),
          retryAfterMs: 1_500,
        },
      }),
    });
    const response = await gateway.post(chat());
    expect(response.status).toBe(429);
    expect(await errorOf(response)).toMatchObject({ code: 'rate_limit_exceeded' });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'retry-after': '2',
      'retry-after-ms': '1500',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '1m30s',
    });
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ status: 429, ended: 'refused', errorCode: 'rate_limited' });
    expect(gateway.reached.worker).toBe(0);
  });

  test('is on record before it is answered', async () => {
    const gateway = await startHarness({ consumes: false });
    const response = await gateway.post(chat({ model: 'no-such-model' }));
    expect(response.status).toBe(404);
    expect(await gateway.auditWriter.backlog(consumers.auditWriter)).toMatchObject({ pending: 1 });
  });

  test('is 503 limiter_unavailable without a limiter', async () => {
    const gateway = await startHarness({ limiter: undefined });
    const response = await gateway.post(chat());
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: 'limiter_unavailable' });
    expect(response.headers.get('retry-after')).toBe('1');
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ status: 503, ended: 'refused' });
    expect(gateway.reached.worker).toBe(0);
  });

  test('is 503 no_responders without a worker', async () => {
    const gateway = await startHarness({ worker: undefined });
    const response = await gateway.post(chat());
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: 'no_responders' });
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ status: 503, attempts: 0 });
  });

  test('is 503 audit_unavailable when nothing can be recorded, and told to no worker', async () => {
    const gateway = await startHarness();
    gateway.ledger.isFull = true;
    const response = await gateway.post(chat());
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: 'audit_unavailable' });
    expect(gateway.reached.worker).toBe(0);
    const unknown = await gateway.post(chat({ model: 'no-such-model' }));
    expect(unknown.status).toBe(503);
    gateway.ledger.isFull = false;
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ status: 503, ended: 'refused', errorCode: 'audit_unavailable' });
  });
});

describe('the cache', () => {
  const body = Buffer.from(EVENTS.join(''));
  const usage = {
    inputTokens: 7,
    outputTokens: 11,
    cachedInputTokens: 0,
    cacheWriteInputTokens: 0,
    reasoningTokens: 0,
  };
  const entry = {
    contentType: 'text/event-stream',
    provider: 'second',
    model: 'model-b',
    usage,
    storedAt: 1,
  };

  test.for([
    ['streamed', true],
    ['whole', false],
  ] as const)('replays a %s answer without a worker', async ([, stream]) => {
    const gateway = await startHarness({ cache: async () => ({ value: { entry }, body }) });
    const response = await gateway.post(chat({ stream, temperature: 0 }));
    expect(await response.text()).toBe(EVENTS.join(''));
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-gateway-cache': 'hit',
      'x-gateway-attempts': '0',
      'x-gateway-provider': 'second',
      'x-gateway-model': 'model-b',
      'x-ratelimit-limit-requests': '10',
    });
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({
      cacheOutcome: 'hit',
      attempts: 0,
      usage: { inputTokens: 0, outputTokens: 0 },
      savedUsage: usage,
      ended: 'complete',
    });
    expect(gateway.reached).toMatchObject({ limiter: 1, worker: 0 });
  });

  test('is outranked by a refusal of the limiter', async () => {
    const gateway = await startHarness({
      limiter: async () => ({ value: { allowed: false, limits: [], retryAfterMs: 10 } }),
      cache: async () => ({ value: { entry }, body }),
    });
    expect((await gateway.post(chat({ stream: true, temperature: 0 }))).status).toBe(429);
  });

  test('is passed by when nobody serves it', async () => {
    const gateway = await startHarness({ cache: undefined });
    const response = await gateway.post(chat({ temperature: 0 }));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-gateway-cache')).toBe('bypass');
  });

  test('is passed by when it does not answer in time', async () => {
    const gateway = await startHarness({ cache: () => new Promise(() => {}) });
    const startedAt = Date.now();
    const response = await gateway.post(chat({ temperature: 0 }));
    expect(response.status).toBe(200);
    expect(response.headers.get('x-gateway-cache')).toBe('bypass');
    expect(Date.now() - startedAt).toBeLessThan(900);
  });

  test('is left alone for a while when it hangs', async () => {
    const gateway = await startHarness({ cache: () => new Promise(() => {}) });
    for (let posted = 0; posted < 3; posted += 1) await gateway.post(chat({ temperature: 0 }));
    expect(gateway.reached.cache).toBe(3);
    const response = await gateway.post(chat({ temperature: 0 }));
    expect([response.status, response.headers.get('x-gateway-cache')]).toEqual([200, 'bypass']);
    expect(gateway.reached.cache).toBe(3);
  });

  test('is not asked when the client says so', async () => {
    const gateway = await startHarness();
    const headers = { 'x-gateway-cache-bypass': '1' };
    const response = await gateway.post(chat({ temperature: 0 }), { headers });
    expect(response.headers.get('x-gateway-cache')).toBe('bypass');
    expect(gateway.reached.cache).toBe(0);
  });
});
