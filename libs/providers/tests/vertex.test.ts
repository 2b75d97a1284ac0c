import { inspect } from 'node:util';
import { openExchange } from '@gateway/dialects';
import { freeLoopbackPort } from '@gateway/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EMAIL, keyFile, PRIVATE_KEY, readAssertion } from './service-account-key.ts';
import {
  type Answer,
  failure,
  KEY,
  OK,
  open,
  options,
  request,
  type UpstreamServer,
  upstream,
} from './upstream-harness.ts';

const PARENT = '/v1/projects/my-project/locations/europe-west4';
const NOW = Date.parse('2026-01-02T03:04:05Z');
const vertexAt = (baseUrl: string, credential: string) =>
  open(
    { kind: 'vertex', project: 'my-project', location: 'europe-west4', baseUrl },
    { credential },
  );
const generate = { ...request, path: '/v1beta/models/gemini-2.5-flash:generateContent' };

function bodyOf(text: object): Uint8Array {
  return Buffer.from(JSON.stringify(text));
}

describe('a request to Vertex', () => {
  const contents = [{ role: 'user', parts: [{ text: 'Hello' }] }];
  const chat = bodyOf({ model: 'x', messages: [{ role: 'user', content: 'Hello' }] });
  const shared = { provider: 'gemini', stream: false, includeUsage: false } as const;

  test.each([
    ['gemini-2.5-flash', false, 'publishers/google/models/gemini-2.5-flash:generateContent'],
    [
      'gemini-2.5-flash',
      true,
      'publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
    ],
    ['publishers/meta/models/llama', false, 'publishers/meta/models/llama:generateContent'],
    ['endpoints/1234', false, 'endpoints/1234:generateContent'],
    ['a:b', false, 'publishers/google/models/a%3Ab:generateContent'],
  ])('for %s, streamed: %s, goes to the model in its location', async (model, stream, path) => {
    const server = await upstream(OK);
    const exchange = openExchange({ ...shared, client: 'chat', body: chat, model, stream });
    const provider = vertexAt(`${server.url}/v1`, KEY);
    await (await provider.send(exchange.request, options({ stream }))).readAll(100);
    const [received] = server.requests;
    expect(received?.url).toBe(`${PARENT}/${path}`);
    expect(received?.headers.authorization).toBe(`Bearer ${KEY}`);
    expect(received?.headers['x-goog-api-key']).toBeUndefined();
    expect(JSON.parse(server.bodies[0] ?? '')).toEqual({ contents });
  });

  test('of a model with its whole path goes there', async () => {
    const server = await upstream(OK);
    const model = 'projects/other/locations/us-central1/endpoints/1';
    const exchange = openExchange({ ...shared, client: 'chat', body: chat, model });
    await (await vertexAt(`${server.url}/v1beta1`, KEY).send(exchange.request, options())).readAll(
      100,
    );
    expect(server.requests[0]?.url).toBe(`/v1beta1/${model}:generateContent`);
  });

  test.each([
    ['messages', bodyOf({ model: 'x', messages: [{ role: 'user', content: 'Hello' }] })],
    ['gemini', bodyOf({ contents })],
    ['gemini', bodyOf({ generateContentRequest: { model: 'models/x', contents } })],
  ] as const)('for a count of %s holds the contents alone', async (client, body) => {
    const server = await upstream(OK);
    const exchange = openExchange({
      ...shared,
      client,
      operation: 'count-tokens',
      body,
      model: 'gemini-2.5-flash',
    });
    const provider = vertexAt(`${server.url}/v1`, KEY);
    await (await provider.send(exchange.request, options())).readAll(100);
    expect(server.requests[0]?.url).toBe(
      `${PARENT}/publishers/google/models/gemini-2.5-flash:countTokens`,
    );
    const { generationConfig: _limit, ...counted } = JSON.parse(server.bodies[0] ?? '');
    expect(counted).toEqual({ contents });
  });

  test('for embeddings is refused and not sent', async () => {
    const server = await upstream(OK);
    const exchange = openExchange({
      ...shared,
      client: 'chat',
      operation: 'embed',
      body: bodyOf({ model: 'x', input: 'Hello' }),
      model: 'gemini-embedding-001',
    });
    const provider = vertexAt(`${server.url}/v1`, KEY);
    const error = await failure(provider.send(exchange.request, options()));
    expect(error).toMatchObject({ code: 'invalid_request', facts: { param: 'model' } });
    expect(server.requests).toEqual([]);
  });

  test('goes to the host of the location', () => {
    const at = (location: string) => open({ kind: 'vertex', project: 'p', location }).serverAddress;
    expect(at('us-central1')).toBe('us-central1-aiplatform.googleapis.com');
    expect(at('global')).toBe('aiplatform.googleapis.com');
    expect(() => open({ kind: 'vertex', project: 'p' })).toThrowError(
      expect.objectContaining({ code: 'unknown_target' }),
    );
  });

  test('for its list of models is not made', async () => {
    const server = await upstream(OK);
    const { signal } = new AbortController();
    expect(await vertexAt(server.url, KEY).listModels(signal)).toEqual([]);
    expect(server.requests).toEqual([]);
  });
});

describe('a service account', () => {
  // Only the date is turned: sockets and timeouts go on.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: NOW }));
  afterEach(() => void vi.useRealTimers());

  async function connected(answerToken: Answer, answerCall: Answer = OK) {
    const tokens = await upstream(answerToken);
    const server = await upstream(answerCall);
    const provider = vertexAt(`${server.url}/v1`, keyFile(`${tokens.url}/token?a=b`));
    const call = async () => (await provider.send(generate, options())).readAll(100);
    return { tokens, server, provider, call };
  }

  const granting: Answer = (() => {
    let count = 0;
    return (_request, response) => {
      count += 1;
      response.end(JSON.stringify({ access_token: `token-${count}`, expires_in: 3600 }));
    };
  })();
  const bearers = ({ requests }: UpstreamServer) =>
    requests.map(({ headers }) => headers.authorization);

  test('is exchanged for a token by an assertion that it signs', async () => {
    const { tokens, server, call } = await connected((_request, response) => {
      response.end('{"access_token":"token-a","expires_in":3599,"token_type":"Bearer"}');
    });
    await call();
    const [asked] = tokens.requests;
    expect([asked?.method, asked?.url]).toEqual(['POST', '/token?a=b']);
    expect(asked?.headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
    });
    expect(new URLSearchParams(tokens.bodies[0]).get('grant_type')).toBe(
      'urn:ietf:params:oauth:grant-type:jwt-bearer',
    );
    expect(readAssertion(tokens.bodies[0] ?? '')).toEqual({
      header: { alg: 'RS256', typ: 'JWT', kid: 'key-id' },
      claims: {
        iss: EMAIL,
        scope: 'https://www.googleapis.com/auth/cloud-platform',
        aud: `${tokens.url}/token?a=b`,
        iat: NOW / 1000,
        exp: NOW / 1000 + 3600,
      },
      isSigned: true,
    });
    expect(bearers(server)).toEqual(['Bearer token-a']);
  });

  test('keeps its token until a minute before the end', async () => {
    const { tokens, server, call } = await connected(granting);
    await call();
    vi.setSystemTime(NOW + 3_540_000 - 1);
    await call();
    expect(tokens.requests).toHaveLength(1);
    vi.setSystemTime(NOW + 3_540_000);
    await call();
    expect(tokens.requests).toHaveLength(2);
    const [first, second, third] = bearers(server);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  test('asks once for all calls that wait', async () => {
    const { tokens, server, call } = await connected(granting);
    await Promise.all([call(), call(), call(), call()]);
    expect(tokens.requests).toHaveLength(1);
    expect(server.requests).toHaveLength(4);
  });

  test('asks again after the provider has refused the token', async () => {
    let isFirst = true;
    const { server, tokens, call } = await connected(granting, (_request, response) => {
      response.writeHead(isFirst ? 401 : 200).end('{}');
      isFirst = false;
    });
    await call();
    await call();
    expect(tokens.requests).toHaveLength(2);
    expect(new Set(bearers(server)).size).toBe(2);
  });

  test.each([
    ['a refusal', 400, '{"error":"invalid_grant","error_description":"no"}', 'invalid_grant'],
    ['a refusal that is not JSON', 403, '<html>secret', undefined],
    ['an error that is no name', 401, '{"error":{"a":1}}', undefined],
    ['no token', 200, '{"expires_in":3600}', undefined],
    ['a token for ever', 200, '{"access_token":"a"}', undefined],
    ['a token that is no header', 200, '{"access_token":"a\\nb","expires_in":9}', undefined],
    [
      'a token of more than 4 KiB',
      200,
      JSON.stringify({ access_token: 'a'.repeat(4 * 1024 + 1), expires_in: 9 }),
      undefined,
    ],
    ['an endless answer', 200, `{"access_token":"a",${' '.repeat(64 * 1024)}`, undefined],
  ])('fails for %s, and the provider is not called', async (_name, status, body, detail) => {
    const { server, call } = await connected((_request, response) => {
      response.writeHead(status).end(body);
    });
    const error = await failure(call());
    expect(error.code).toBe('provider_auth_failed');
    expect(error.message).toBe('No access token was given for provider vendor.');
    expect(error.facts).toEqual({
      provider: 'vendor',
      upstreamStatus: status,
      ...(detail !== undefined && { detail }),
    });
    expect(server.requests).toEqual([]);
  });

  test('takes a token of 4 KiB', async () => {
    const text = 'a'.repeat(4 * 1024);
    const { server, call } = await connected((_request, response) => {
      response.end(JSON.stringify({ access_token: text, expires_in: 3600 }));
    });
    await call();
    expect(bearers(server)).toEqual([`Bearer ${text}`]);
  });

  test.each([429, 500, 503])(
    'is unavailable after a status of %i, then asks again',
    async (status) => {
      let isFirst = true;
      const { call } = await connected((incoming, response) => {
        if (isFirst) response.writeHead(status).end('{}');
        else granting(incoming, response);
        isFirst = false;
      });
      expect((await failure(call())).code).toBe('provider_unavailable');
      expect(Buffer.from(await call()).toString()).toBe('{"ok":true}');
    },
  );

  test('is unavailable where nobody gives tokens', async () => {
    const nobody = `http://127.0.0.1:${await freeLoopbackPort()}`;
    const provider = vertexAt(nobody, keyFile(`${nobody}/token`));
    const error = await failure(provider.send(generate, options()));
    expect(error.code).toBe('provider_unavailable');
  });

  test('keeps a waiting call to its own time, and the next one gets the token', async () => {
    const asked = Promise.withResolvers<() => void>();
    const { tokens, provider, call } = await connected((incoming, response) => {
      asked.resolve(() => granting(incoming, response));
    });
    const timeouts = { connectMs: 20, firstByteMs: 20, idleMs: 20, totalMs: 20 };
    const late = await failure(provider.send(generate, options({ timeouts })));
    expect(late).toMatchObject({ code: 'provider_timeout', facts: { reason: 'total_timeout' } });
    const leaving = new AbortController();
    const left = failure(provider.send(generate, options({ signal: leaving.signal })));
    leaving.abort();
    expect((await left).code).toBe('client_closed');
    const waiting = call();
    (await asked.promise)();
    expect(Buffer.from(await waiting).toString()).toBe('{"ok":true}');
    expect(tokens.requests).toHaveLength(1);
  });

  test('ends a renewal that runs when the provider is disposed of', async () => {
    const asked = Promise.withResolvers<void>();
    const { provider } = await connected(() => asked.resolve());
    const waiting = failure(provider.send(generate, options()));
    await asked.promise;
    await provider[Symbol.asyncDispose]();
    expect((await waiting).code).toBe('shutting_down');
  });

  test.each([
    ['a file of another kind', { type: 'authorized_user' }],
    ['a file without a key', { private_key: undefined }],
    ['a key that is none', { private_key: 'a-secret-that-is-no-key' }],
    ['an address of another scheme', { token_uri: 'file:///a-secret' }],
  ])('is refused for %s', (_name, changes) => {
    expectRefusal(keyFile('http://127.0.0.1:1', changes));
  });

  test('is refused for a text that breaks off', () => {
    expectRefusal(keyFile('http://127.0.0.1:1').slice(0, -10));
  });

  test('stands in no error', async () => {
    const { call } = await connected((incoming, response) => {
      incoming.resume();
      response.writeHead(400).end(JSON.stringify({ error: 'invalid_grant', key: PRIVATE_KEY }));
    });
    expectNoSecret(await failure(call()));
  });
});

function expectRefusal(credential: string): void {
  let thrown: unknown;
  try {
    vertexAt('http://127.0.0.1:1', credential);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({
    code: 'provider_auth_failed',
    message: 'The credential of provider vendor is no key file of a service account.',
  });
  expectNoSecret(thrown);
}

function expectNoSecret(error: unknown): void {
  const shown = inspect(error, { depth: 10 });
  expect(shown).not.toMatch(/PRIVATE KEY|a-secret|eyJ/);
  expect(shown).not.toContain(PRIVATE_KEY.slice(100, 140));
}
