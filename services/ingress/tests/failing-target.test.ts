import { GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import {
  answering,
  attemptedBy,
  chat,
  EVENTS,
  errorOf,
  openAnswer,
  startHarness,
  type WorkerCall,
} from './ingress-harness.ts';

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
    expect(response.headers.get('x-gateway-attempts')).toBe('3');
    expect(await errorOf(response)).toMatchObject({ code: 'provider_overloaded' });
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ ended: 'failed', attempts: 3, errorCode: 'provider_overloaded' });
  });

  const open = new GatewayError('provider_unavailable', 'It is not asked.', {
    reason: 'circuit_open',
  });
  const unknown = new GatewayError('provider_model_not_found', 'No such model.');
  test.for([
    ['is told, where its own circuit opens in between', overloaded, 'provider_overloaded', 3],
    [
      'is not told, where the circuit of another keeps that from helping',
      unknown,
      'circuit_open',
      2,
    ],
  ] as const)('%s', async ([, failure, code, asked]) => {
    const gateway = await startHarness({
      worker: async (call) => {
        if (call.request.target.provider === 'second' || call.attempt > 1) return call.fail(open);
        call.accept();
        await call.fail(failure, attemptedBy(call, { errorCode: failure.code }));
      },
    });
    const response = await gateway.post(chat({ model: 'two-targets' }));
    expect(await errorOf(response)).toMatchObject({ code });
    expect(gateway.reached.worker).toBe(asked);
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
        await aborted(call);
      },
    });
    const response = await gateway.post(chat());
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: 'no_responders' });
    expect(response.headers.get('x-should-retry')).toBeNull();
    const id = response.headers.get('x-request-id');
    const event = await gateway.finished(id);
    expect(event).toMatchObject({ attempts: 1, ended: 'failed' });
    const [attempted, ...more] = gateway.attempted(id);
    expect(attempted).toMatchObject({
      attempt: 1,
      assumed: true,
      usageSource: 'estimated',
      usage: { outputTokens: 0 },
      errorCode: 'worker_lost',
    });
    expect(attempted?.usage.inputTokens).toBeGreaterThan(0);
    expect(event.usage).toEqual(attempted?.usage);
    expect(more).toEqual([]);
  });

  test('is assumed to have written what was delivered when its worker is lost', async () => {
    const text = 'x'.repeat(40);
    const gateway = await startHarness({
      worker: async (call) => {
        openAnswer(call);
        const chunk = { choices: [{ delta: { content: text } }] };
        for (const _ of Array(10)) {
          await call.data(Buffer.from(`data: ${JSON.stringify(chunk)}\n\n`));
        }
        gateway.killWorker();
        await aborted(call);
      },
    });
    const response = await gateway.post(chat({ stream: true }));
    const said = await readAll(response);
    expect(said.text).toContain('worker_lost');
    expect(said.error).toBeInstanceOf(TypeError);
    const id = response.headers.get('x-request-id');
    expect(await gateway.finished(id)).toMatchObject({ ended: 'interrupted', attempts: 1 });
    expect(gateway.attempted(id)).toMatchObject([
      { assumed: true, usageSource: 'estimated', usage: { outputTokens: 100 } },
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

function aborted({ signal }: WorkerCall): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
}

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
