import { GatewayError } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  attemptedBy,
  chat,
  EVENTS,
  openAnswer,
  startHarness,
  type WorkerCall,
} from './ingress-harness.ts';

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

describe('a client that leaves a model whose calls are finished', () => {
  const file = `
providers: {first: {kind: openai-compatible, base_url: 'http://127.0.0.1:1'}}
models: [{match: one-target, targets: [{provider: first}], client_leaves: finish}]
`;

  test.for([true, false])('lets the call run to its end (stream: %s)', async (stream) => {
    const called = Promise.withResolvers<WorkerCall>();
    const goOn = Promise.withResolvers<void>();
    const taken = Promise.withResolvers<void>();
    const gateway = await startHarness({
      file,
      worker: async (call) => {
        openAnswer(call);
        await call.data(Buffer.from(EVENTS[0] ?? ''));
        called.resolve(call);
        await goOn.promise;
        // More than the window: what nobody reads must not hold the worker up.
        const piece = Buffer.alloc(256 * 1024, 0x61);
        for (let sent = 0; sent < 8; sent += 1) await call.data(piece);
        taken.resolve();
        await call.end(attemptedBy(call));
      },
    });
    const client = new AbortController();
    const asked = gateway.post(chat({ stream }), { signal: client.signal });
    if (stream) await (await asked).body?.getReader().read();
    const { signal } = await called.promise;
    client.abort();
    await Promise.allSettled([asked]);
    let isStopped = false;
    const stopping = gateway.stop().then(() => {
      isStopped = true;
    });
    await waitFor(() => fetch(gateway.origin).then(isNotReached, () => true), {
      what: 'the end of listening',
    });
    expect(isStopped).toBe(false);
    goOn.resolve();
    await taken.promise;
    expect(signal.aborted).toBe(false);
    await stopping;
    const event = await gateway.finished(null);
    expect(event).toMatchObject({
      ended: 'client_closed',
      status: stream ? 200 : 499,
      attempts: 1,
      usage: { inputTokens: 3, outputTokens: 5 },
    });
    expect(gateway.attempted(event.requestId)).toMatchObject([
      { usageSource: 'provider', assumed: false },
    ]);
  });

  test('is the reason for no further attempt', async () => {
    const called = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    const gateway = await startHarness({
      file,
      worker: async (call) => {
        call.accept();
        called.resolve();
        await goOn.promise;
        await call.fail(new GatewayError('provider_overloaded', 'Too busy.'), attemptedBy(call));
      },
    });
    const client = new AbortController();
    const asked = gateway.post(chat(), { signal: client.signal });
    await called.promise;
    client.abort();
    await Promise.allSettled([asked]);
    // The server has seen it leave once it has answered a later request on another connection.
    await gateway.get('/livez');
    goOn.resolve();
    expect(await gateway.finished(null)).toMatchObject({
      ended: 'client_closed',
      errorCode: 'provider_overloaded',
      attempts: 1,
    });
    expect(gateway.reached.worker).toBe(1);
  });
});

function isNotReached(): boolean {
  return false;
}
