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
