import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { failure, KEY, OK, open, options, read, request, upstream } from './upstream-harness.ts';

describe('an HTTP provider', () => {
  test.each([
    ['openai', '/v1', '/v1/chat/completions', 'authorization', `Bearer ${KEY}`],
    ['openai-compatible', '/a/v1/', '/a/v1/chat/completions', 'authorization', `Bearer ${KEY}`],
    ['azure', '/openai/v1', '/openai/v1/chat/completions', 'api-key', KEY],
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

  test('lets a request name the version of the API, and never the credential', async () => {
    const server = await upstream(OK);
    const provider = open({ kind: 'anthropic', baseUrl: server.url });
    const headers = { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'a', 'x-api-key': 'x' };
    await (await provider.send({ ...request, headers }, options())).readAll(100);
    expect(server.requests[0]?.headers).toMatchObject({ ...headers, 'x-api-key': KEY });
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
  test.each([
    { kind: 'openai' },
    { kind: 'anthropic' },
    { kind: 'google' },
    { kind: 'azure', baseUrl: 'http://127.0.0.1:1/openai/v1' },
    { kind: 'vertex', project: 'p', location: 'global' },
  ] as const)('wants a credential for $kind', (definition) => {
    expect(() => open(definition, { credential: undefined })).toThrowError(
      expect.objectContaining({ code: 'provider_auth_failed' }),
    );
  });

  test.each(['openai-compatible', 'azure'] as const)('wants an address for %s', (kind) => {
    expect(() => open({ kind })).toThrowError(expect.objectContaining({ code: 'unknown_target' }));
  });

  test.each([
    [{ kind: 'openai-compatible' }, ['chat']],
    [{ kind: 'openai-compatible', responses: true }, ['chat', 'responses']],
    [{ kind: 'azure' }, ['chat', 'responses']],
    [{ kind: 'azure', responses: false }, ['chat']],
  ] as const)('speaks what %j says', (definition, dialects) => {
    const provider = open({ ...definition, baseUrl: 'http://127.0.0.1:1/v1' });
    expect(provider.dialects).toEqual(dialects);
  });

  test("takes the definition's address before the setting's", () => {
    const settings = { baseUrl: 'http://setting/v1' };
    expect(open({}, settings).serverAddress).toBe('setting');
    expect(open({ baseUrl: 'http://definition/v1' }, settings).serverAddress).toBe('definition');
    expect(open({})).toMatchObject({ serverAddress: 'api.openai.com', serverPort: 443 });
  });
});
