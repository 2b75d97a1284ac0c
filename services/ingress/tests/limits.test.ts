import {
  GatewayError,
  type HeldSlots,
  type ReserveRequest,
  releaseSlotsEndpoint,
} from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  ADMIN_KEY,
  allowed,
  answering,
  attemptedBy,
  chat,
  EVENTS,
  errorOf,
  type Harness,
  type HarnessOptions,
  openAnswer,
  startHarness,
  type WorkerHandler,
} from './ingress-harness.ts';

function fileWith(limits: string): string {
  return `
providers: {first: {kind: openai-compatible, base_url: 'http://127.0.0.1:1'}}
models: [{match: one-target, targets: [{provider: first}]}]
limits: {${limits}}
`;
}

/** A gateway of keys that may run two requests at once, and what it tells the limiter. */
async function startWithSlots(options: Partial<HarnessOptions> = {}) {
  const reserved: ReserveRequest[] = [];
  const released: HeldSlots[] = [];
  const gateway = await startHarness({
    file: fileWith('concurrency: 2'),
    limiter: async (message) => {
      reserved.push(message.value);
      return allowed(message);
    },
    ...options,
  });
  const limiter = gateway.connect('rate-limiter');
  const take = async ({ value }: { readonly value: HeldSlots }) => void released.push(value);
  await limiter.receive(releaseSlotsEndpoint, take, { concurrencyMax: 64 });
  return { gateway, reserved, released };
}

function heldBy(requestId: string | null): HeldSlots {
  return { requestId: String(requestId), scopes: ['key:bootstrap-client'] };
}

describe('a limit of concurrency', () => {
  test('is reserved beside the other one, and shown in no header', async () => {
    const { gateway, reserved } = await startWithSlots();
    const response = await gateway.post(chat());
    expect(response.status).toBe(200);
    const scope = 'key:bootstrap-client';
    expect(reserved.map(({ limits }) => limits)).toEqual([
      [
        { scope, kind: 'requests', amount: 10, windowSeconds: 3600 },
        { scope, kind: 'concurrency', amount: 2 },
      ],
    ]);
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('10');
  });

  test('of the key outranks the one for all', async () => {
    const { gateway, reserved } = await startWithSlots();
    const created = await fetch(`${gateway.origin}/admin/v1/keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'app', tenant: 'acme', concurrency: 7 }),
    });
    const { id, key } = (await created.json()) as { id: string; key: string };
    await waitFor(
      async () => {
        const headers = { authorization: `Bearer ${key}` };
        return (await gateway.post(chat(), { headers })).status === 200;
      },
      { what: 'the key to be known' },
    );
    expect(reserved.at(-1)?.limits).toContainEqual({
      scope: `key:${id}`,
      kind: 'concurrency',
      amount: 7,
    });
  });

  test('refuses with its own reason, and nothing is given back', async () => {
    const { gateway, released } = await startWithSlots({
      limiter: async ({ value }) => ({
        value: {
          allowed: false,
          limits: value.limits.map(({ scope, kind, amount }) => ({
            ...{ scope, kind, amount },
            remaining: 0,
            resetMs: 1_000,
          })),
          refusedBy: { scope: 'key:bootstrap-client', kind: 'concurrency' },
          retryAfterMs: 1_000,
        },
      }),
    });
    const response = await gateway.post(chat());
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await errorOf(response)).toMatchObject({ code: 'concurrency_limit_exceeded' });
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ ended: 'refused', errorCode: 'rate_limited' });
    await gateway.stop();
    expect(released).toEqual([]);
  });

  const ends: [how: string, stream: boolean, worker: WorkerHandler | undefined][] = [
    ['a whole answer', false, answering],
    ['a stream', true, answering],
    ['a refusal', false, undefined],
    [
      'an interrupted stream',
      true,
      async (call) => {
        openAnswer(call);
        await call.data(Buffer.from(EVENTS[0] ?? ''));
        await call.fail(new GatewayError('stream_interrupted', 'Broken.'), attemptedBy(call));
      },
    ],
    [
      'a worker that breaks',
      false,
      async (call) => {
        call.accept();
        throw new Error('a fault of ours');
      },
    ],
  ];

  test.for(ends)('is given back once with %s', async ([, stream, worker]) => {
    const { gateway, released } = await startWithSlots({ worker });
    const response = await gateway.post(chat({ stream }));
    const id = response.headers.get('x-request-id');
    await response.text().catch(() => undefined);
    await waitFor(() => released.length > 0, { what: 'the release' });
    await gateway.finished(id);
    await gateway.stop();
    expect(released).toEqual([heldBy(id)]);
  });

  test('is given back when its client leaves', async () => {
    const called = Promise.withResolvers<void>();
    const { gateway, released } = await startWithSlots({
      worker: async (call) => {
        call.accept();
        called.resolve();
        await new Promise<void>((resolve) =>
          call.signal.addEventListener('abort', () => resolve()),
        );
        await call.fail(call.signal.reason, attemptedBy(call));
      },
    });
    const client = new AbortController();
    const posted = gateway.post(chat(), { signal: client.signal });
    await called.promise;
    expect(released).toEqual([]);
    client.abort();
    await Promise.allSettled([posted]);
    const { requestId } = await gateway.finished(null);
    await waitFor(() => released.length > 0, { what: 'the release' });
    expect(released).toEqual([heldBy(requestId)]);
  });

  test('is given back when the answer of the limiter was lost', async () => {
    const { gateway, released } = await startWithSlots({ limiter: () => new Promise(() => {}) });
    const response = await gateway.post(chat());
    expect(await errorOf(response)).toMatchObject({ code: 'limiter_unavailable' });
    await waitFor(() => released.length > 0, { what: 'the release' });
    expect(released).toEqual([heldBy(response.headers.get('x-request-id'))]);
  });
});

describe('a limiter that cannot be asked, where requests are admitted without it', () => {
  const file = fileWith('requests: 5, window_seconds: 60, limiter_unavailable: admit');

  test('is gone without', async () => {
    const gateway = await startHarness({ file, limiter: undefined });
    const response = await gateway.post(chat());
    expect(response.status).toBe(200);
    expect(response.headers.get('x-ratelimit-limit-requests')).toBeNull();
  });

  test('costs a few requests its timeout when it hangs, and then none', async () => {
    const gateway = await startHarness({ file, limiter: () => new Promise(() => {}) });
    for (let posted = 0; posted < 3; posted += 1) expect(await timeOf(gateway)).toBeLessThan(900);
    expect(gateway.reached.limiter).toBe(3);
    expect((await gateway.post(chat())).status).toBe(200);
    expect(gateway.reached.limiter).toBe(3);
  });

  test('still refuses when it answers', async () => {
    const limiter: HarnessOptions['limiter'] = async () => ({
      value: { allowed: false, limits: [], retryAfterMs: 10 },
    });
    const gateway = await startHarness({ file, limiter });
    expect((await gateway.post(chat())).status).toBe(429);
  });
});

async function timeOf(gateway: Harness): Promise<number> {
  const startedAt = performance.now();
  expect((await gateway.post(chat())).status).toBe(200);
  return performance.now() - startedAt;
}
