import { consumers, GatewayError } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
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
  type WorkerCall,
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
          limits: value.limits.map(({ scope, amount }) => ({
            scope,
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

  test('is not asked when the client says so', async () => {
    const gateway = await startHarness();
    const headers = { 'x-gateway-cache-bypass': '1' };
    const response = await gateway.post(chat({ temperature: 0 }), { headers });
    expect(response.headers.get('x-gateway-cache')).toBe('bypass');
    expect(gateway.reached.cache).toBe(0);
  });
});

describe('a failing target', () => {
  const overloaded = new GatewayError('provider_overloaded', 'Too busy.', { upstreamStatus: 529 });

  test('gives way to the next before the first byte', async () => {
    const gateway = await startHarness({
      worker: async (call) => {
        if (call.request.target.provider === 'second') return answering(call);
        call.accept();
        await call.fail(overloaded, attemptedBy(call, { errorCode: overloaded.code }));
      },
    });
    const response = await gateway.post(chat({ model: 'two-targets' }));
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-gateway-provider': 'second',
      'x-gateway-model': 'model-b',
      'x-gateway-attempts': '2',
    });
    const id = response.headers.get('x-request-id');
    const event = await gateway.finished(id);
    expect(event).toMatchObject({ attempts: 2, usage: { inputTokens: 6 }, provider: 'second' });
    expect(gateway.attempted(id).map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  test('leaves its error to the client when it was the last', async () => {
    const gateway = await startHarness({
      worker: async (call) => {
        call.accept();
        await call.fail(overloaded, attemptedBy(call, { errorCode: overloaded.code }));
      },
    });
    const response = await gateway.post(chat({ model: 'two-targets' }));
    expect(response.status).toBe(503);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(response.headers.get('x-gateway-attempts')).toBe('2');
    expect(await errorOf(response)).toMatchObject({ code: 'provider_overloaded' });
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ ended: 'failed', attempts: 2, errorCode: 'provider_overloaded' });
  });

  test('is not followed by another when the request itself is wrong', async () => {
    const wrong = new GatewayError('provider_rejected', 'No.', { param: 'messages' });
    const gateway = await startHarness({
      worker: async (call) => {
        call.accept();
        await call.fail(wrong, attemptedBy(call));
      },
    });
    const response = await gateway.post(chat({ model: 'two-targets' }));
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toEqual(expect.objectContaining({ param: 'messages' }));
    expect(gateway.reached.worker).toBe(1);
  });

  test('is said inside a stream that has begun, which then does not end cleanly', async () => {
    const broken = new GatewayError('stream_interrupted', 'The provider broke off.');
    const gateway = await startHarness({
      worker: async (call) => {
        openAnswer(call);
        await call.data(Buffer.from(EVENTS[0] ?? ''));
        await call.fail(broken, attemptedBy(call, { errorCode: broken.code }));
      },
    });
    const response = await gateway.post(chat({ model: 'two-targets', stream: true }));
    const { text, error } = await readAll(response);
    expect(text.startsWith(EVENTS[0] ?? '')).toBe(true);
    const said = JSON.parse(text.slice((EVENTS[0] ?? '').length).replace(/^data: /, ''));
    expect(said).toMatchObject({ error: { code: 'stream_interrupted', param: null } });
    expect(error).toBeInstanceOf(TypeError);
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ ended: 'interrupted', status: 200, attempts: 1 });
    expect(gateway.reached.worker).toBe(1);
  });

  test('is assumed to have cost something when its worker is lost', async () => {
    const gateway = await startHarness({
      worker: async (call) => {
        call.accept();
        gateway.killWorker();
        await new Promise<void>((resolve) =>
          call.signal.addEventListener('abort', () => resolve()),
        );
      },
    });
    const response = await gateway.post(chat());
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: 'no_responders' });
    const id = response.headers.get('x-request-id');
    const event = await gateway.finished(id);
    expect(event).toMatchObject({ attempts: 1, ended: 'failed' });
    expect(gateway.attempted(id)).toMatchObject([
      { attempt: 1, assumed: true, usageSource: 'unknown', errorCode: 'worker_lost' },
    ]);
  });

  test('that sends more than can be collected is refused, not cut', async () => {
    const piece = Buffer.alloc(1024 * 1024, 0x20);
    const gateway = await startHarness({
      worker: async (call) => {
        openAnswer(call);
        try {
          for (let sent = 0; sent < 33; sent += 1) await call.data(piece);
          await call.end(attemptedBy(call));
        } catch {
          await call.fail(new GatewayError('client_closed', 'Told to stop.'), attemptedBy(call));
        }
      },
    });
    const response = await gateway.post(chat());
    expect(response.status).toBe(502);
    expect(await errorOf(response)).toMatchObject({ code: expect.stringMatching(/bad_response/) });
    const id = response.headers.get('x-request-id');
    expect(await gateway.finished(id)).toMatchObject({ attempts: 1 });
    expect(gateway.attempted(id)).toHaveLength(1);
  });
});

describe('a client that leaves', () => {
  test.for([true, false])('has its call cancelled (stream: %s)', async (stream) => {
    const called = Promise.withResolvers<WorkerCall>();
    const gateway = await startHarness({
      worker: async (call) => {
        if (stream) openAnswer(call);
        else call.accept();
        if (stream) await call.data(Buffer.from(EVENTS[0] ?? ''));
        called.resolve(call);
        await new Promise<void>((resolve) =>
          call.signal.addEventListener('abort', () => resolve()),
        );
        await call.fail(call.signal.reason, attemptedBy(call));
      },
    });
    const client = new AbortController();
    const asked = gateway.post(chat({ stream, model: 'two-targets' }), { signal: client.signal });
    if (stream) await (await asked).body?.getReader().read();
    const { signal } = await called.promise;
    client.abort();
    await Promise.allSettled([asked]);
    await waitFor(() => signal.aborted, { what: 'the cancelled call' });
    expect(signal.reason).toMatchObject({ code: 'client_closed' });
    const event = await gateway.finished(null);
    expect(event).toMatchObject({
      ended: 'client_closed',
      status: stream ? 200 : 499,
      attempts: 1,
      usage: { inputTokens: 3, outputTokens: 5 },
    });
    expect(gateway.reached.worker).toBe(1);
  });

  test('before its request is admitted costs nothing', async () => {
    const asked = Promise.withResolvers<void>();
    const admit = Promise.withResolvers<void>();
    const gateway = await startHarness({
      limiter: async () => {
        asked.resolve();
        await admit.promise;
        return { value: { allowed: true, limits: [] } };
      },
    });
    const client = new AbortController();
    const posted = gateway.post(chat(), { signal: client.signal });
    await asked.promise;
    client.abort();
    await Promise.allSettled([posted]);
    // The server has seen it leave once it has answered a later request on another connection.
    await gateway.get('/livez');
    admit.resolve();
    expect(await gateway.finished(null)).toMatchObject({
      ended: 'client_closed',
      status: 499,
      attempts: 0,
    });
    expect(gateway.reached.worker).toBe(0);
  });
});

/** The text of a body up to where it breaks. */
async function readAll(response: Response): Promise<{ text: string; error: unknown }> {
  let text = '';
  try {
    for await (const bytes of response.body ?? []) text += Buffer.from(bytes).toString('utf8');
  } catch (error) {
    return { text, error };
  }
  return { text, error: undefined };
}
