import { consumers } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  ADMIN_KEY,
  ANSWER,
  answering,
  attemptedBy,
  CLIENT_KEY,
  chat,
  EVENTS,
  errorOf,
  openAnswer,
  startHarness,
  type WorkerHandler,
} from './ingress-harness.ts';
import { openRawConnection } from './raw-connection.ts';

/** A worker that sends one event and the rest when it is told. */
function halting(): { worker: WorkerHandler; goOn: () => void } {
  const rest = Promise.withResolvers<void>();
  const worker: WorkerHandler = async (call) => {
    openAnswer(call);
    await call.data(Buffer.from(EVENTS[0] ?? ''));
    await rest.promise;
    for (const event of EVENTS.slice(1)) await call.data(Buffer.from(event));
    await call.end(attemptedBy(call));
  };
  return { worker, goOn: rest.resolve };
}

/** A worker that accepts a call and answers its end alone. */
const waitingForEver: WorkerHandler = async (call) => {
  call.accept();
  await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
  await call.fail(call.signal.reason, attemptedBy(call));
};

const POST = [
  'POST /v1/chat/completions HTTP/1.1',
  'Host: gateway',
  `Authorization: Bearer ${CLIENT_KEY}`,
  'Content-Type: application/json',
].join('\r\n');

function request(body: object): string {
  const text = JSON.stringify(body);
  return `${POST}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
}

const LAME_DUCK = { GATEWAY_LAME_DUCK_SECONDS: '600' };
const GET_LIVEZ = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n';
const GET_READYZ = 'GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n';

describe('an ingress that is about to stop', () => {
  test('is not ready at once, and answers everybody with the end of the connection', async () => {
    const gateway = await startHarness({ environment: LAME_DUCK });
    const [kept, probe] = [1, 2].map(() => openRawConnection(gateway.ingress.port));
    if (!kept || !probe) throw new Error('two connections');
    for (const connection of [kept, probe]) {
      connection.send(GET_LIVEZ);
      const [answer] = await connection.answers(1);
      expect(answer?.headers.get('connection')).toBe('keep-alive');
    }
    const stopping = gateway.stop();
    // A connection that is new, and one that is kept and knows nothing yet.
    expect(await (await gateway.post(chat())).text()).toBe(ANSWER);
    kept.send(request(chat()));
    const [, served] = await kept.answers(2);
    expect([served?.status, served?.headers.get('connection')]).toEqual([200, 'close']);
    await kept.closed();
    expect(kept.wasReset).toBe(false);
    probe.send(GET_READYZ);
    expect((await probe.answers(2))[1]?.status).toBe(503);
    // With the last connection the wait is over, long before its time.
    await stopping;
    expect(gateway.reached.worker).toBe(2);
  });

  test('ends at once when no connection is open', async () => {
    const gateway = await startHarness({ environment: LAME_DUCK });
    await gateway.stop();
    await expect(gateway.get('/livez', ADMIN_KEY)).rejects.toThrow();
  });

  test('waits no longer than its time for a connection that says nothing', async () => {
    const gateway = await startHarness({ environment: { GATEWAY_LAME_DUCK_SECONDS: '0.2' } });
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(GET_LIVEZ);
    await connection.answers(1);
    await gateway.stop();
    await connection.closed();
  });

  test('waits no longer when the time to drain is ending', async () => {
    const gateway = await startHarness({ environment: LAME_DUCK });
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(GET_LIVEZ);
    await connection.answers(1);
    const stopping = gateway.stop();
    gateway.endDrain();
    await stopping;
    await connection.closed();
  });

  test('tells a client whose answer has not begun', async () => {
    const { worker, goOn } = halting();
    const gateway = await startHarness({ worker, environment: LAME_DUCK });
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(request(chat()));
    await waitFor(() => gateway.reached.worker === 1, { what: 'the call' });
    const stopping = gateway.stop();
    goOn();
    const [answer] = await connection.answers(1);
    expect([answer?.status, answer?.headers.get('connection')]).toEqual([200, 'close']);
    await stopping;
    expect(connection.wasReset).toBe(false);
  });
});

describe('an ingress whose time to drain is ending', () => {
  test('says so in a stream that still runs, and records it', async () => {
    const gateway = await startHarness({ worker: halting().worker });
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(request(chat({ stream: true })));
    await waitFor(() => connection.received.includes(EVENTS[0] ?? ''), { what: 'the stream' });
    const stopping = gateway.stop();
    gateway.endDrain();
    await connection.closed();
    await stopping;
    expect(connection.received).toMatch(/data: \{"error":\{[^\n]*"code":"shutting_down"\}\}\n\n/);
    expect(connection.received.endsWith('0\r\n\r\n')).toBe(false);
    const event = await gateway.finished(null);
    expect(event).toMatchObject({ ended: 'interrupted', errorCode: 'shutting_down', attempts: 1 });
  });

  test.for(['one-target', 'two-targets'])(
    'answers a request that still waits with 503, and tries nothing more: %s',
    async (model) => {
      const gateway = await startHarness({ worker: waitingForEver });
      const answer = gateway.post(chat({ model }));
      await waitFor(() => gateway.reached.worker === 1, { what: 'the call' });
      const stopping = gateway.stop();
      gateway.endDrain();
      const response = await answer;
      expect(response.status).toBe(503);
      expect(await errorOf(response)).toMatchObject({ code: 'shutting_down' });
      await stopping;
      expect(gateway.reached.worker).toBe(1);
      const event = await gateway.finished(response.headers.get('x-request-id'));
      expect(event).toMatchObject({ ended: 'failed', errorCode: 'shutting_down', attempts: 1 });
    },
  );
});

describe('an ingress that stops', () => {
  test('lets a running stream end, and records it', async () => {
    const { worker, goOn } = halting();
    const gateway = await startHarness({ worker });
    const response = await gateway.post(chat({ stream: true }));
    let isStopped = false;
    const stopping = gateway.stop().then(() => {
      isStopped = true;
    });
    await waitFor(
      () =>
        fetch(gateway.origin).then(
          () => false,
          () => true,
        ),
      {
        what: 'the end of listening',
      },
    );
    expect(isStopped).toBe(false);
    goOn();
    expect(await response.text()).toBe(EVENTS.join(''));
    await stopping;
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ ended: 'complete', status: 200 });
  });

  test('refuses a new request on a connection that is still open', async () => {
    const { worker, goOn } = halting();
    const gateway = await startHarness({ worker });
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(request(chat({ stream: true })));
    await waitFor(() => connection.received.includes(EVENTS[0] ?? ''), { what: 'the stream' });
    const stopping = gateway.stop();
    connection.send(request(chat()));
    goOn();
    await connection.closed();
    const refusal = connection.received.slice(connection.received.indexOf('HTTP/1.1 503'));
    expect(refusal).toMatch(/^HTTP\/1\.1 503 /);
    expect(refusal).toMatch(/connection: close/i);
    expect(JSON.parse(refusal.slice(refusal.indexOf('{')))).toEqual({
      error: expect.objectContaining({ type: 'service_unavailable', code: 'shutting_down' }),
    });
    await stopping;
    expect(gateway.reached.worker).toBe(1);
  });

  const silent: [name: string, bytes: string][] = [
    ['never said a word', ''],
    ['stopped in its headers', 'GET /v1/models HTTP/1.1\r\nHost:'],
    ['is idle', `GET /livez HTTP/1.1\r\nHost: a\r\n\r\n`],
  ];
  test.for(silent)('does not wait for a connection that %s', async ([, bytes]) => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    if (bytes !== '') connection.send(bytes);
    if (bytes.endsWith('\r\n\r\n')) await connection.answers(1);
    expect((await gateway.post(chat())).status).toBe(200);
    const startedAt = Date.now();
    await gateway.stop();
    expect(Date.now() - startedAt).toBeLessThan(2_000);
    await connection.closed();
  });

  test('closes a connection that is kept alive after its last stream', async () => {
    const { worker, goOn } = halting();
    const gateway = await startHarness({ worker });
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(request(chat({ stream: true })));
    await waitFor(() => connection.received.includes(EVENTS[0] ?? ''), { what: 'the stream' });
    const stopping = gateway.stop();
    goOn();
    const startedAt = Date.now();
    await stopping;
    expect(Date.now() - startedAt).toBeLessThan(2_000);
    await connection.closed();
    expect(connection.received).toContain(EVENTS.at(-1));
    expect(connection.received.endsWith('0\r\n\r\n')).toBe(true);
  });

  test('is not done before a request is recorded whose client left meanwhile', async () => {
    const gateway = await startHarness({
      consumes: false,
      worker: async (call) => {
        call.accept();
        await new Promise<never>(() => {});
      },
    });
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(request(chat()));
    await waitFor(() => gateway.reached.worker === 1, { what: 'the call' });
    const stopping = gateway.stop();
    connection.socket.destroy();
    await stopping;
    // `received`, the assumed `attempted` of a worker that says nothing, and `finished`.
    const { pending } = await gateway.auditWriter.backlog(consumers.auditWriter);
    expect(pending).toBe(3);
  });

  test('stops again and again without harm', async () => {
    const gateway = await startHarness({ worker: answering });
    expect(await (await gateway.post(chat())).text()).toBe(ANSWER);
    await Promise.all([gateway.stop(), gateway.stop()]);
    await expect(gateway.get('/livez', ADMIN_KEY)).rejects.toThrow();
  });
});
