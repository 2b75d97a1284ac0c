import { GatewayError } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  answering,
  attemptedBy,
  chat,
  errorOf,
  startHarness,
  type WorkerCall,
} from './ingress-harness.ts';

function failWith(call: WorkerCall, error: GatewayError): Promise<void> {
  call.accept();
  return call.fail(error, attemptedBy(call, { errorCode: error.code }));
}

const broken = new GatewayError('provider_unavailable', 'It broke.', { upstreamStatus: 500 });

describe('a provider that fails', () => {
  test('is asked once more, and its client hears of the answer alone', async () => {
    const gateway = await startHarness({
      worker: (call) => (call.attempt === 1 ? failWith(call, broken) : answering(call)),
    });
    const response = await gateway.post(chat());
    expect(response.status).toBe(200);
    expect(response.headers.get('x-gateway-attempts')).toBe('2');
    const id = response.headers.get('x-request-id');
    expect(await gateway.finished(id)).toMatchObject({ attempts: 2, ended: 'complete' });
    expect(gateway.attempted(id).map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  test('is asked again when it said, and not before', async () => {
    const limited = new GatewayError('provider_rate_limited', 'Wait.', { retryAfterMs: 300 });
    const askedAt: number[] = [];
    const gateway = await startHarness({
      worker: (call) => {
        askedAt.push(performance.now());
        return call.attempt === 1 ? failWith(call, limited) : answering(call);
      },
    });
    expect((await gateway.post(chat())).status).toBe(200);
    const [first = 0, second = 0] = askedAt;
    expect(second - first).toBeGreaterThanOrEqual(299);
  });

  test('is not asked again when it wants a longer wait than the request has', async () => {
    const limited = new GatewayError('provider_rate_limited', 'Wait.', { retryAfterMs: 9_000 });
    const gateway = await startHarness({
      file: `
providers: {first: {kind: openai-compatible, base_url: 'http://127.0.0.1:1'}}
models: [{match: one-target, targets: [{provider: first}]}]
timeouts: {total_seconds: 8}
`,
      worker: (call) => failWith(call, limited),
    });
    const response = await gateway.post(chat());
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('9');
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(gateway.reached.worker).toBe(1);
  });

  test('is not asked again by a client that left during the wait', async () => {
    const limited = new GatewayError('provider_rate_limited', 'Wait.', { retryAfterMs: 9_000 });
    const gateway = await startHarness({ worker: (call) => failWith(call, limited) });
    const client = new AbortController();
    const posted = gateway.post(chat(), { signal: client.signal });
    // Which the worker records just before it tells the ingress, and which is read later than that.
    const isRecorded = () => gateway.events.some(({ kind }) => kind === 'attempted');
    await waitFor(isRecorded, { what: 'the failed attempt' });
    client.abort();
    await Promise.allSettled([posted]);
    expect(await gateway.finished(null)).toMatchObject({
      ended: 'client_closed',
      errorCode: 'client_closed',
      attempts: 1,
    });
    expect(gateway.reached.worker).toBe(1);
  });

  test('is what its client hears of, though nobody is asked a second time', async () => {
    const facts = { reason: 'circuit_open', retryAfterMs: 1_000 } as const;
    const refusal = new GatewayError('provider_unavailable', 'It is not asked.', facts);
    const gateway = await startHarness({
      worker: (call) => (call.attempt === 1 ? failWith(call, broken) : call.fail(refusal)),
    });
    const response = await gateway.post(chat());
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { message: broken.message } });
    expect(response.headers.get('x-gateway-attempts')).toBe('1');
    expect(gateway.reached.worker).toBe(2);
  });

  test('for all is asked by at most a fifth more than there are requests', async () => {
    const requests = 60;
    const repetitionsMax = 10;
    const [firstAsked, refused] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let ended = 0;
    const gateway = await startHarness({
      environment: { RATE_LIMIT_REQUESTS: '' },
      worker: async (call) => {
        // All first attempts run at once, and no repetition ends before every other request has.
        if (gateway.reached.worker >= requests) firstAsked.resolve();
        await (call.attempt === 1 ? firstAsked.promise : refused.promise);
        await failWith(call, broken);
      },
    });
    const statuses = await Promise.all(
      Array.from({ length: requests }, async () => {
        const response = await gateway.post(chat());
        ended += 1;
        if (ended >= requests - repetitionsMax) refused.resolve();
        return `${response.status} ${(await errorOf(response)).code}`;
      }),
    );
    expect(new Set(statuses)).toEqual(new Set(['502 provider_unavailable']));
    expect(gateway.reached.worker).toBe(requests + repetitionsMax);
    expect(gateway.reached.worker).toBeLessThanOrEqual(1.2 * requests);
  });
});

describe('a worker that goes away', () => {
  test('has its request taken by another of its group', async () => {
    const leaving = new GatewayError('shutting_down', 'This worker ends.');
    const gateway = await startHarness({
      worker: (call) => (call.attempt === 1 ? call.fail(leaving) : answering(call)),
    });
    const response = await gateway.post(chat());
    expect(response.status).toBe(200);
    expect(response.headers.get('x-gateway-provider')).toBe('first');
    expect(gateway.reached.worker).toBe(2);
  });
});
