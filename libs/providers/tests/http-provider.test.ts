import type { ServerResponse } from 'node:http';
import { GatewayError, type ProviderDefinition, type Timeouts } from '@gateway/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openProvider, type ProviderAnswer, type ProviderSettings } from '../src/index.ts';
import type { SendOptions } from '../src/provider.ts';
import { READ_AHEAD_BYTES_MAX } from '../src/upstream-call.ts';
import { startUpstream, type UpstreamServer } from './upstream-server.ts';

const PATIENT: Timeouts = { connectMs: 5_000, firstByteMs: 5_000, idleMs: 5_000, totalMs: 10_000 };
const KEY = 'provider-key-of-the-test';

type Answer = Parameters<typeof startUpstream>[0];

async function upstream(answer: Answer): Promise<UpstreamServer> {
  const server = await startUpstream(answer);
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server;
}

function open(definition: Partial<ProviderDefinition>, settings: Partial<ProviderSettings> = {}) {
  const provider = openProvider(
    { name: 'vendor', kind: 'openai', ...definition },
    { credential: KEY, connectionsMax: 4, ...settings },
  );
  onTestFinished(() => provider[Symbol.asyncDispose]());
  return provider;
}

function options(changes: Partial<SendOptions> = {}): SendOptions {
  const { signal } = new AbortController();
  return { requestId: 'request-1', stream: false, timeouts: PATIENT, signal, ...changes };
}

const request = {
  path: '/chat/completions',
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{"model":"m"}'),
};

async function failure(work: Promise<unknown>): Promise<GatewayError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof GatewayError)) throw new Error(`no GatewayError but ${String(error)}`);
  return error;
}

async function read(answer: ProviderAnswer): Promise<string> {
  let text = '';
  for await (const bytes of answer.body) text += Buffer.from(bytes).toString('utf8');
  return text;
}

const OK: Answer = (_request, response) => void response.end('{"ok":true}');

describe('an HTTP provider', () => {
  test.each([
    ['openai', '/v1', '/v1/chat/completions', 'authorization', `Bearer ${KEY}`],
    ['openai-compatible', '/a/v1/', '/a/v1/chat/completions', 'authorization', `Bearer ${KEY}`],
    ['anthropic', '', '/chat/completions', 'x-api-key', KEY],
    ['google', '/', '/chat/completions', 'x-goog-api-key', KEY],
  ] as const)(
    'of kind %s sends its key in the right header',
    async (kind, prefix, path, header, value) => {
      const server = await upstream(OK);
      const provider = open({ kind, baseUrl: server.url + prefix });
      const answer = await provider.send(request, options());
      expect(answer.status).toBe(200);
      expect(Buffer.from(await answer.readAll(100)).toString()).toBe('{"ok":true}');
      const [received] = server.requests;
      expect(received?.url).toBe(path);
      expect(received?.headers[header]).toBe(value);
      expect(JSON.stringify(received?.rawHeaders).split(KEY)).toHaveLength(2);
    },
  );

  test('sends nothing but its own headers and those of the request', async () => {
    const server = await upstream(OK);
    const provider = open({ kind: 'anthropic', baseUrl: server.url });
    await (await provider.send(request, options({ stream: true }))).readAll(100);
    expect(server.requests[0]?.headers).toEqual({
      host: `127.0.0.1:${server.port}`,
      connection: 'keep-alive',
      'content-type': 'application/json',
      'content-length': '13',
      'x-api-key': KEY,
      'anthropic-version': '2023-06-01',
      accept: 'text/event-stream',
      'accept-encoding': 'identity',
      'user-agent': 'ai-api-gateway',
      'x-gateway-request-id': 'request-1',
    });
  });

  test('sends no credential where none is configured and none is needed', async () => {
    const server = await upstream(OK);
    const provider = open(
      { kind: 'openai-compatible', baseUrl: server.url },
      { credential: undefined },
    );
    await (await provider.send(request, options())).readAll(100);
    expect(server.requests[0]?.headers.authorization).toBeUndefined();
  });

  test('uses its connections again', async () => {
    const server = await upstream(OK);
    const provider = open({ baseUrl: server.url });
    for (let count = 0; count < 6; count++) {
      await (await provider.send(request, options())).readAll(100);
    }
    const ports = server.requests.map(({ socket }) => socket.remotePort);
    expect(ports).toHaveLength(6);
    expect(new Set(ports).size).toBeLessThanOrEqual(2);
  });

  test('resolves with the status and headers of an error', async () => {
    const server = await upstream((_request, response) => {
      response.writeHead(429, { 'retry-after': '7', 'x-many': ['a', 'b'] }).end('slow down');
    });
    const answer = await open({ baseUrl: server.url }).send(request, options());
    expect(answer).toMatchObject({
      status: 429,
      headers: { 'retry-after': '7', 'x-many': 'a, b' },
    });
    expect(Buffer.from(await answer.readStart(4)).toString()).toBe('slow');
  });
});

describe('a redirect', () => {
  test.each([301, 302, 307, 308])('%i is not followed', async (status) => {
    const elsewhere = await upstream(OK);
    const server = await upstream((_request, response) => {
      response.writeHead(status, { location: `${elsewhere.url}/v1/chat/completions` }).end();
    });
    const error = await failure(open({ baseUrl: server.url }).send(request, options()));
    expect(error).toMatchObject({
      code: 'provider_bad_response',
      facts: { upstreamStatus: status, provider: 'vendor' },
    });
    expect(elsewhere.requests).toHaveLength(0);
  });
});

describe('an answer', () => {
  test('is taken at the bound and refused one byte past it', async () => {
    const server = await upstream((_request, response) => void response.end('x'.repeat(1000)));
    const provider = open({ baseUrl: server.url });
    const whole = await provider.send(request, options());
    expect((await whole.readAll(1000)).length).toBe(1000);
    const longer = await provider.send(request, options());
    expect(await failure(longer.readAll(999))).toMatchObject({ code: 'provider_bad_response' });
  });

  test('that is compressed is refused', async () => {
    const server = await upstream((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end('zzz');
    });
    const error = await failure(open({ baseUrl: server.url }).send(request, options()));
    expect(error.code).toBe('provider_bad_response');
  });

  test('with headers over the bound is refused, under it taken', async () => {
    const server = await upstream((incoming, response) => {
      const length = incoming.url?.endsWith('/long') ? 33 * 1024 : 31 * 1024;
      response.writeHead(200, { 'x-filler': 'x'.repeat(length) }).end('ok');
    });
    const provider = open({ baseUrl: server.url });
    expect((await provider.send(request, options())).status).toBe(200);
    const error = await failure(provider.send({ ...request, path: '/long' }, options()));
    expect(error.code).toBe('provider_bad_response');
  });

  test('comes piece by piece', async () => {
    const first = Promise.withResolvers<ServerResponse>();
    const server = await upstream((_request, response) => {
      response.write('one');
      first.resolve(response);
    });
    const answer = await open({ baseUrl: server.url }).send(request, options({ stream: true }));
    const reader = answer.body[Symbol.asyncIterator]();
    expect(String((await reader.next()).value)).toBe('one');
    (await first.promise).end('two');
    expect(String((await reader.next()).value)).toBe('two');
    expect((await reader.next()).done).toBe(true);
  });

  test('that nobody reads is not buffered without bound', async () => {
    const bytes = 64 * 1024 * 1024;
    const blocked = Promise.withResolvers<number>();
    const server = await upstream((_request, response) => {
      let sent = 0;
      while (sent < bytes && response.write(Buffer.alloc(64 * 1024))) sent += 64 * 1024;
      response.once('drain', () => response.end());
      blocked.resolve(sent);
    });
    const answer = await open({ baseUrl: server.url }).send(request, options({ stream: true }));
    await blocked.promise;
    const reader = answer.body[Symbol.asyncIterator]();
    const { value } = await reader.next();
    expect(value?.length).toBeGreaterThan(0);
    expect(value?.length).toBeLessThanOrEqual(READ_AHEAD_BYTES_MAX + 64 * 1024);
    await reader.return?.();
  });

  test('that breaks off is an error after what had come', async () => {
    const server = await upstream((_request, response) => {
      response.write('half', () => response.socket?.destroy());
    });
    const answer = await open({ baseUrl: server.url }).send(request, options({ stream: true }));
    const reader = answer.body[Symbol.asyncIterator]();
    expect(String((await reader.next()).value)).toBe('half');
    const error = await failure(Promise.resolve(reader.next()));
    expect(error.code).toBe('stream_interrupted');
    expect(error.message).not.toContain('127.0.0.1');
  });

  test('shorter than its content-length is an error', async () => {
    const server = await upstream((_request, response) => {
      response.writeHead(200, { 'content-length': '10' });
      response.write('four', () => response.socket?.end());
    });
    const answer = await open({ baseUrl: server.url }).send(request, options());
    expect(['stream_interrupted', 'provider_bad_response']).toContain(
      (await failure(answer.readAll(100))).code,
    );
  });
});

describe('a timeout', () => {
  test('connect_timeout ends the wait for a free connection, before anything is sent', async () => {
    const server = await upstream(() => undefined);
    const provider = open({ baseUrl: server.url }, { connectionsMax: 1 });
    const abort = new AbortController();
    const busy = failure(provider.send(request, options({ signal: abort.signal })));
    let isSent = false;
    const timeouts = { ...PATIENT, connectMs: 40 };
    const onSent = () => {
      isSent = true;
    };
    const error = await failure(provider.send(request, options({ timeouts, onSent })));
    expect(error).toMatchObject({ code: 'provider_timeout', facts: { reason: 'connect_timeout' } });
    expect(isSent).toBe(false);
    abort.abort();
    await busy;
    expect(server.requests).toHaveLength(1);
  });

  test('first_byte_timeout ends a call without an answer and closes the socket', async () => {
    const closed = Promise.withResolvers<void>();
    const server = await upstream((incoming) => {
      incoming.socket.once('close', () => closed.resolve());
    });
    let isSent = false;
    const timeouts = { ...PATIENT, firstByteMs: 40 };
    const onSent = () => {
      isSent = true;
    };
    const provider = open({ baseUrl: server.url });
    const error = await failure(provider.send(request, options({ timeouts, onSent })));
    expect(error).toMatchObject({
      code: 'provider_timeout',
      facts: { reason: 'first_byte_timeout' },
    });
    expect(isSent).toBe(true);
    await closed.promise;
  });

  test('first_byte_timeout ends an answer of headers alone', async () => {
    const server = await upstream((_request, response) => void response.flushHeaders());
    const timeouts = { ...PATIENT, firstByteMs: 40 };
    const answer = await open({ baseUrl: server.url }).send(request, options({ timeouts }));
    expect((await failure(read(answer))).facts.reason).toBe('first_byte_timeout');
  });

  test('idle_timeout ends an answer that stops', async () => {
    const server = await upstream((_request, response) => void response.write('half'));
    const timeouts = { ...PATIENT, idleMs: 40 };
    const answer = await open({ baseUrl: server.url }).send(request, options({ timeouts }));
    expect((await failure(read(answer))).facts.reason).toBe('idle_timeout');
  });

  test('total_timeout ends an answer that drips', async () => {
    const server = await upstream((_request, response) => {
      const timer = setInterval(() => response.write('x'), 5);
      response.once('close', () => clearInterval(timer));
    });
    const timeouts = { ...PATIENT, idleMs: 1_000, totalMs: 80 };
    const answer = await open({ baseUrl: server.url }).send(request, options({ timeouts }));
    expect((await failure(read(answer))).facts.reason).toBe('total_timeout');
  });
});

describe('a provider that cannot be reached', () => {
  test('is unavailable when it refuses connections', async () => {
    const server = await startUpstream(OK);
    await server[Symbol.asyncDispose]();
    const error = await failure(open({ baseUrl: server.url }).send(request, options()));
    expect(error.code).toBe('provider_unavailable');
    expect(error.message).not.toContain(String(server.port));
    expect(error.facts.detail).toContain('ECONNREFUSED');
  });

  test('is unavailable when it does not speak TLS', async () => {
    const server = await upstream(OK);
    const baseUrl = server.url.replace('http:', 'https:');
    const error = await failure(open({ baseUrl }).send(request, options()));
    expect(error.code).toBe('provider_unavailable');
    expect(server.requests).toHaveLength(0);
  });

  test('is unavailable when it closes without an answer', async () => {
    const server = await upstream((incoming) => void incoming.socket.destroy());
    const error = await failure(open({ baseUrl: server.url }).send(request, options()));
    expect(error.code).toBe('provider_unavailable');
  });
});

describe('an abort', () => {
  const reason = new GatewayError('client_closed', 'The client left.');

  test('before the call makes no call', async () => {
    const server = await upstream(OK);
    const signal = AbortSignal.abort(reason);
    expect(await failure(open({ baseUrl: server.url }).send(request, options({ signal })))).toBe(
      reason,
    );
    expect(server.requests).toHaveLength(0);
  });

  test('before the answer closes the socket at once', async () => {
    const abort = new AbortController();
    const closed = Promise.withResolvers<void>();
    const server = await upstream((incoming) => {
      incoming.socket.once('close', () => closed.resolve());
      abort.abort(reason);
    });
    const { signal } = abort;
    const call = open({ baseUrl: server.url }).send(request, options({ signal }));
    expect(await failure(call)).toBe(reason);
    await closed.promise;
  });

  test('in the middle of an answer closes the socket at once', async () => {
    const abort = new AbortController();
    const closed = Promise.withResolvers<void>();
    const server = await upstream((_request, response) => {
      response.once('close', () => closed.resolve());
      response.write('half');
    });
    const { signal } = abort;
    const answer = await open({ baseUrl: server.url }).send(request, options({ signal }));
    const reader = answer.body[Symbol.asyncIterator]();
    await reader.next();
    abort.abort(reason);
    expect(await failure(Promise.resolve(reader.next()))).toBe(reason);
    await closed.promise;
  });

  test('by a reader that stops reading closes the socket', async () => {
    const closed = Promise.withResolvers<void>();
    const server = await upstream((_request, response) => {
      response.once('close', () => closed.resolve());
      response.write('half');
    });
    const answer = await open({ baseUrl: server.url }).send(request, options());
    for await (const bytes of answer.body) {
      expect(String(bytes)).toBe('half');
      break;
    }
    await closed.promise;
  });
});

describe('listModels', () => {
  const { signal } = new AbortController();

  test('follows the pages of a list', async () => {
    const server = await upstream((incoming, response) => {
      const isSecond = incoming.url?.includes('after_id=one');
      const page = isSecond
        ? { data: [{ id: 'two' }], has_more: false, last_id: 'two' }
        : { data: [{ id: 'one' }], has_more: true, last_id: 'one' };
      response.end(JSON.stringify(page));
    });
    const provider = open({ kind: 'anthropic', baseUrl: server.url });
    expect(await provider.listModels(signal)).toEqual([{ id: 'one' }, { id: 'two' }]);
    expect(server.requests[0]?.headers['x-api-key']).toBe(KEY);
  });

  test('stops after ten pages of a list without an end', async () => {
    const server = await upstream((_request, response) => {
      response.end(JSON.stringify({ models: [{ name: 'models/a' }], nextPageToken: 'again' }));
    });
    const provider = open({ kind: 'google', baseUrl: server.url });
    expect(await provider.listModels(signal)).toHaveLength(10);
    expect(server.requests).toHaveLength(10);
  });

  test('stops at 5000 models', async () => {
    const data = Array.from({ length: 5001 }, (_, index) => ({ id: `model-${index}` }));
    const server = await upstream((_request, response) => {
      response.end(JSON.stringify({ data }));
    });
    expect(await open({ baseUrl: server.url }).listModels(signal)).toHaveLength(5000);
  });

  test.each([
    ['is no JSON', 200, '<html>'],
    ['is no list', 200, '{"data":"x"}'],
    ['is an error', 401, '{"error":{}}'],
  ])('fails for an answer that %s', async (_name, status, body) => {
    const server = await upstream((_request, response) => {
      response.writeHead(status).end(body);
    });
    const error = await failure(open({ baseUrl: server.url }).listModels(signal));
    expect(error).toMatchObject({
      code: 'provider_bad_response',
      facts: { upstreamStatus: status },
    });
  });
});

describe('close', () => {
  test('lets a running call finish and takes no other', async () => {
    const begun = Promise.withResolvers<ServerResponse>();
    const server = await upstream((_request, response) => {
      response.write('one');
      begun.resolve(response);
    });
    const provider = open({ baseUrl: server.url });
    const answer = await provider.send(request, options());
    const closed = provider.close();
    expect((await failure(provider.send(request, options()))).code).toBe('shutting_down');
    (await begun.promise).end('two');
    expect(await read(answer)).toBe('onetwo');
    await closed;
  });
});

describe('openProvider', () => {
  test.each(['openai', 'anthropic', 'google'] as const)('wants a credential for %s', (kind) => {
    expect(() => open({ kind }, { credential: undefined })).toThrowError(
      expect.objectContaining({ code: 'provider_auth_failed' }),
    );
  });

  test('wants an address for an OpenAI-compatible provider', () => {
    expect(() => open({ kind: 'openai-compatible' })).toThrowError(
      expect.objectContaining({ code: 'unknown_target' }),
    );
  });

  test("takes the definition's address before the setting's", () => {
    const settings = { baseUrl: 'http://setting/v1' };
    expect(open({}, settings).serverAddress).toBe('setting');
    expect(open({ baseUrl: 'http://definition/v1' }, settings).serverAddress).toBe('definition');
    expect(open({})).toMatchObject({ serverAddress: 'api.openai.com', serverPort: 443 });
  });
});
