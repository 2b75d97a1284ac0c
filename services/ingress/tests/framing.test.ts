import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  attemptedBy,
  CLIENT_KEY,
  chat,
  EVENTS,
  type Harness,
  openAnswer,
  startHarness,
} from './ingress-harness.ts';
import { openRawConnection, type RawAnswer } from './raw-connection.ts';

const AUTHORIZATION = `Authorization: Bearer ${CLIENT_KEY}\r\n`;
const JSON_TYPE = 'Content-Type: application/json\r\n';
const START = 'POST /v1/chat/completions HTTP/1.1\r\n';
const BODY = JSON.stringify(chat());

function head(...lines: string[]): string {
  return `${START}Host: gateway\r\n${AUTHORIZATION}${JSON_TYPE}${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
}

function get(host: string): string {
  return `GET /v1/models HTTP/1.1\r\n${AUTHORIZATION}${host}\r\n\r\n`;
}

function whole(body = BODY, ...lines: string[]): string {
  return `${head(`Content-Length: ${Buffer.byteLength(body)}`, ...lines)}${body}`;
}

function codeOf({ headers, body }: RawAnswer): string {
  expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  const { error } = JSON.parse(body);
  expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
  return error.code;
}

function expectNothingReached({ reached }: Harness): void {
  expect(reached).toEqual({ limiter: 0, cache: 0, worker: 0 });
}

describe('a request that is framed wrongly', () => {
  const chunked = 'Transfer-Encoding: chunked';
  const cases: [name: string, bytes: string | Uint8Array, status: number, code: string][] = [
    ['two lengths', head('Content-Length: 5', 'Content-Length: 6'), 400, 'bad_request_framing'],
    ['a length and chunks', head('Content-Length: 5', chunked), 400, 'bad_request_framing'],
    ['an unknown coding', head('Transfer-Encoding: xchunked'), 400, 'bad_request_framing'],
    ['chunked not last', head('Transfer-Encoding: chunked, identity'), 400, 'bad_request_framing'],
    ['a length that is no number', head('Content-Length: +5'), 400, 'bad_request_framing'],
    ['a space before the colon', head('Content-Length : 5'), 400, 'bad_request_framing'],
    ['a folded header', head('X-Folded: a', ' b'), 400, 'bad_request_framing'],
    ['a NUL in a header', head('X-Nul: a\0b'), 400, 'bad_request_framing'],
    [
      'a bare line feed',
      head('X-A: a').replace('X-A: a\r\n', 'X-A: a\n'),
      400,
      'bad_request_framing',
    ],
    ['a bare carriage return', head('X-A: a\rb'), 400, 'bad_request_framing'],
    ['a host with a space', get('Host: a b'), 400, 'bad_request_framing'],
    ['a host with a path', get('Host: x/v1/models?'), 400, 'bad_request_framing'],
    ['a wrong chunk size', `${head(chunked)}xyz\r\n`, 400, 'bad_request_framing'],
    ['two hosts', head('Host: other'), 400, 'bad_request_framing'],
    ['no host', 'GET /v1/models HTTP/1.1\r\n\r\n', 400, 'bad_request_framing'],
    ['an empty host', 'GET /v1/models HTTP/1.1\r\nHost:\r\n\r\n', 400, 'bad_request_framing'],
    ['no request line', 'hello\r\n\r\n', 400, 'bad_request_framing'],
    ['a method of its own', 'FROBNICATE / HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'bad_request_framing'],
    ['HTTP/0.9', 'GET /v1/models\r\n\r\n', 400, 'bad_request_framing'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'bad_request_framing'],
    ['TLS', Uint8Array.from([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]), 400, 'bad_request_framing'],
    ['another expectation', head('Expect: a-miracle'), 400, 'bad_request_framing'],
    ['16 KB of headers', head(`X-Long: ${'a'.repeat(20_000)}`), 431, 'headers_too_large'],
    ['101 headers', head(...many(98)), 431, 'headers_too_large'],
    ['3000 headers', head(...many(3_000)), 431, 'headers_too_large'],
    [
      'an absolute address',
      'GET http://x/v1/models HTTP/1.1\r\nHost: x\r\n\r\n',
      401,
      'invalid_api_key',
    ],
  ];

  test.for(cases)('is refused for %s', async ([, bytes, status, code]) => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(bytes);
    const [answer] = await connection.answers(1);
    expect(answer?.status).toBe(status);
    expect(answer && codeOf(answer)).toBe(code);
    expectNothingReached(gateway);
    expect((await gateway.post(chat())).status).toBe(200);
  });

  test('with headers named like parts of objects is taken', async () => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(whole(BODY, '__proto__: x', 'constructor: y', 'hasOwnProperty: z'));
    expect((await connection.answers(1))[0]?.status).toBe(200);
    expect('x' in {}).toBe(false);
  });

  test.for(['TRACE', 'CONNECT'])('with the method %s is refused or dropped', async (method) => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    const address = method === 'CONNECT' ? 'elsewhere:443' : '/v1/chat/completions';
    connection.send(`${method} ${address} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    await connection.closed();
    expect(connection.received).toMatch(/^(HTTP\/1\.1 40[45] |$)/);
    expectNothingReached(gateway);
    expect((await gateway.post(chat())).status).toBe(200);
  });

  test('with 100 headers is taken', async () => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(whole(BODY, ...many(96)));
    expect((await connection.answers(1))[0]?.status).toBe(200);
  });

  function many(count: number): string[] {
    return Array.from({ length: count }, (_, index) => `${index}:`);
  }
});

describe('Expect: 100-continue', () => {
  test('is answered with 401 before 100 without a key', async () => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(
      `${START}Host: a\r\n${JSON_TYPE}Content-Length: 10\r\nExpect: 100-continue\r\n\r\n`,
    );
    const [answer] = await connection.answers(1);
    expect(answer?.status).toBe(401);
    expect(connection.received).not.toContain('100 Continue');
    await connection.closed();
  });

  test.for([
    ['415', 'text/plain', '10', 415],
    ['413', 'application/json', '999999999', 413],
  ] as const)('is answered with %s before 100', async ([, type, length, status]) => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(
      `${START}Host: a\r\n${AUTHORIZATION}Content-Type: ${type}\r\nContent-Length: ${length}\r\nExpect: 100-continue\r\n\r\n`,
    );
    expect((await connection.answers(1))[0]?.status).toBe(status);
    expectNothingReached(gateway);
  });

  test('is granted to a request that may be sent', async () => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(head(`Content-Length: ${BODY.length}`, 'Expect: 100-continue'));
    expect((await connection.answers(1))[0]?.status).toBe(100);
    connection.send(BODY);
    expect((await connection.answers(2))[1]?.status).toBe(200);
  });
});

describe('one connection', () => {
  test('answers pipelined requests in their order, each with its own body', async () => {
    let calls = 0;
    const second = Promise.withResolvers<void>();
    const gateway = await startHarness({
      environment: { RATE_LIMIT_REQUESTS: '' },
      worker: async (call) => {
        calls += 1;
        const isFirst = calls === 1;
        const { model } = call.request;
        call.accept();
        call.head({ contentType: 'application/json', provider: 'first', model });
        if (isFirst) await second.promise;
        await call.data(Buffer.from(JSON.stringify({ said: String(await call.body()) })));
        await call.end(attemptedBy(call));
        if (!isFirst) second.resolve();
      },
    });
    const connection = openRawConnection(gateway.ingress.port);
    const texts = Array.from({ length: 20 }, (_, index) =>
      JSON.stringify(chat({ user: `${index}` })),
    );
    connection.send(texts.map((text) => whole(text)).join(''));
    const answers = await connection.answers(20);
    expect(answers.map(({ body }) => JSON.parse(body).said)).toEqual(texts);
  });

  test('tells every pipelined request when its client leaves', async () => {
    const gateway = await startHarness({
      environment: { RATE_LIMIT_REQUESTS: '' },
      worker: async (call) => {
        call.accept();
        await new Promise<void>((resolve) =>
          call.signal.addEventListener('abort', () => resolve()),
        );
        await call.fail(call.signal.reason, attemptedBy(call));
      },
    });
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(whole().repeat(3));
    await waitFor(() => gateway.reached.worker === 3, { what: 'three calls' });
    connection.socket.destroy();
    const finished = () => gateway.events.filter(({ kind }) => kind === 'finished');
    await waitFor(() => finished().length === 3, { what: 'three finished events' });
    expect(finished()).toMatchObject(Array(3).fill({ ended: 'client_closed', status: 499 }));
  });

  test('that breaks off within a body leaves a record and nothing else', async () => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(head('Content-Length: 100', 'Expect: 100-continue'));
    await connection.answers(1);
    connection.send('{"model":');
    connection.socket.destroy();
    const event = await gateway.finished(null);
    expect(event).toMatchObject({
      ended: 'client_closed',
      status: 499,
      keyId: 'bootstrap-client',
      clientIp: '127.0.0.1',
    });
    expectNothingReached(gateway);
    expect((await gateway.post(chat())).status).toBe(200);
  });

  test('goes on after a refusal whose small body is dropped', async () => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(whole().replace(CLIENT_KEY, 'a-key-that-is-wrong'));
    connection.send(whole());
    const answers = await connection.answers(2);
    expect(answers.map(({ status }) => status)).toEqual([401, 200]);
  });

  test('is closed after a refusal with more to come than is worth reading', async () => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(`${START}Host: a\r\n${JSON_TYPE}Content-Length: 99999999\r\n\r\n`);
    connection.send(Buffer.alloc(1024));
    const [answer] = await connection.answers(1);
    expect(answer?.status).toBe(401);
    expect(answer?.headers.get('connection')).toBe('close');
    await connection.closed();
  });

  test('is not reset under a client that ends its refused body', async () => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(`${START}Host: a\r\n${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n`);
    const [answer] = await connection.answers(1);
    expect(answer?.headers.get('connection')).toBe('close');
    connection.send(`8000\r\n${'a'.repeat(0x8000)}\r\n`);
    connection.send('0\r\n\r\n');
    await connection.closed();
    await new Promise<void>((resolve) => connection.socket.end(resolve));
    expect(connection.wasReset).toBe(false);
  });

  test('cuts a stream when the client says something wrong behind its request', async () => {
    const gateway = await startHarness({
      worker: async (call) => {
        openAnswer(call);
        await call.data(Buffer.from(EVENTS[0] ?? ''));
        await new Promise<void>((resolve) =>
          call.signal.addEventListener('abort', () => resolve()),
        );
        await call.fail(call.signal.reason, attemptedBy(call));
      },
    });
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(whole(JSON.stringify(chat({ stream: true }))));
    await waitFor(() => connection.received.includes(EVENTS[0] ?? ''), { what: 'the first event' });
    connection.send('nonsense\r\n\r\n');
    await connection.closed();
    expect(connection.received.match(/HTTP\/1\.1 /g)).toHaveLength(1);
    expect(connection.received).not.toContain('0\r\n\r\n');
  });
});
