import { GatewayError, type InferenceRequest } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import {
  ANSWER,
  answering,
  attemptedBy,
  CLIENT_KEY,
  type Harness,
  startHarness,
  type WorkerHandler,
} from './ingress-harness.ts';

const HELLO = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] };
const ADDRESS = '/v1beta/models/one-target';

function post(
  gateway: Harness,
  path: string,
  body: object,
  headers: Record<string, string> = { 'x-goog-api-key': CLIENT_KEY },
): Promise<Response> {
  return fetch(`${gateway.origin}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

/** A gateway whose worker keeps what it was asked. */
async function startAsked(): Promise<{ gateway: Harness; asked: InferenceRequest[] }> {
  const asked: InferenceRequest[] = [];
  const worker: WorkerHandler = async (call) => {
    asked.push(call.request);
    await answering(call);
  };
  return { gateway: await startHarness({ worker }), asked };
}

const REQUEST = { content: { parts: [{ text: 'a' }] } };

describe('a client of Google', () => {
  test.for([
    { method: 'generateContent', body: HELLO, sent: { stream: false, arrayStream: false } },
    {
      method: 'streamGenerateContent?alt=sse',
      body: HELLO,
      sent: { stream: true, arrayStream: false },
    },
    { method: 'streamGenerateContent', body: HELLO, sent: { stream: true, arrayStream: true } },
    { method: 'embedContent', body: REQUEST, sent: { operation: 'embed', stream: false } },
    {
      method: 'batchEmbedContents',
      body: { requests: [REQUEST] },
      sent: { operation: 'embed', stream: false },
    },
    { method: 'countTokens', body: HELLO, sent: { operation: 'count-tokens', stream: false } },
  ])('is answered at $method', async ({ method, body, sent }) => {
    const { gateway, asked } = await startAsked();
    const response = await post(gateway, `${ADDRESS}:${method}`, body);
    expect(response.status).toBe(200);
    expect(await response.text()).not.toBe('');
    expect(asked).toMatchObject([{ dialect: 'gemini', model: 'one-target', ...sent }]);
    const [name] = method.split('?');
    expect(await gateway.finished(response.headers.get('x-request-id'))).toMatchObject({
      endpoint: `/v1beta/models/{model}:${name}`,
      model: 'one-target',
      stream: sent.stream,
      status: 200,
    });
  });

  test('may ask for version 1 of the API, as the current client does', async () => {
    const { gateway, asked } = await startAsked();
    const response = await post(gateway, '/v1/models/one-target:generateContent', HELLO);
    expect(await response.text()).toBe(ANSWER);
    expect(asked).toMatchObject([{ dialect: 'gemini', model: 'one-target' }]);
    expect(await gateway.finished(response.headers.get('x-request-id'))).toMatchObject({
      endpoint: '/v1/models/{model}:generateContent',
    });
  });

  test.for(['meta/llama-3', 'meta%2Fllama-3'])(
    'may name a model with a slash: %s',
    async (model) => {
      const { gateway, asked } = await startAsked();
      const response = await post(gateway, `/v1beta/models/${model}:generateContent`, HELLO);
      expect(await response.text()).toBe(ANSWER);
      expect(asked).toMatchObject([{ model: 'meta/llama-3' }]);
    },
  );

  test('gets errors as Google says them', async () => {
    const gateway = await startHarness();
    const ask = async (path: string, body: object, headers?: Record<string, string>) => {
      const response = await post(gateway, path, body, headers);
      return { status: response.status, body: await response.json() };
    };
    const error = (code: number, status: string) => ({
      status: code,
      body: { error: { code, status, message: expect.any(String) } },
    });
    expect(await ask(`${ADDRESS}:generateContent`, {})).toEqual(error(400, 'INVALID_ARGUMENT'));
    expect(await ask(`${ADDRESS}:predict`, HELLO)).toEqual(error(404, 'NOT_FOUND'));
    expect(await ask(ADDRESS, HELLO)).toEqual(error(404, 'NOT_FOUND'));
    expect(await ask('/v1beta/models/none:generateContent', HELLO)).toEqual(
      error(404, 'NOT_FOUND'),
    );
    const unauthenticated = error(401, 'UNAUTHENTICATED');
    expect(await ask(`${ADDRESS}:generateContent`, HELLO, {})).toEqual(unauthenticated);
    expect(gateway.reached.worker).toBe(0);
  });

  test('may not put its key into the address', async () => {
    const gateway = await startHarness();
    const path = `${ADDRESS}:generateContent?key=${CLIENT_KEY}`;
    for (const headers of [{}, { 'x-goog-api-key': CLIENT_KEY }]) {
      const response = await post(gateway, path, HELLO, headers);
      expect(response.status).toBe(401);
      const text = await response.text();
      expect(text).toContain('x-goog-api-key');
      expect(text).not.toContain(CLIENT_KEY);
    }
  });

  test('hears of a provider that broke off in the form of its stream', async () => {
    const broken = new GatewayError('stream_interrupted', 'The provider broke off.');
    const gateway = await startHarness({
      worker: async (call) => {
        call.accept();
        const { arrayStream, target } = call.request;
        const contentType = arrayStream ? 'application/json' : 'text/event-stream';
        call.head({ contentType, ...target });
        await call.data(Buffer.from(arrayStream ? '[{"n":1}' : 'data: {"n":1}\r\n\r\n'));
        await call.fail(broken, attemptedBy(call));
      },
    });
    const said = {
      error: { code: 502, message: 'The provider broke off.', status: 'UNAVAILABLE' },
    };
    const array = await post(gateway, `${ADDRESS}:streamGenerateContent`, HELLO);
    expect(JSON.parse(await textUntilCut(array))).toEqual([{ n: 1 }, said]);
    const events = await post(gateway, `${ADDRESS}:streamGenerateContent?alt=sse`, HELLO);
    expect(await textUntilCut(events)).toBe(
      `data: {"n":1}\r\n\r\ndata: ${JSON.stringify(said)}\r\n\r\n`,
    );
  });

  test('is given a stored answer for the same model and method alone', async () => {
    const keys: string[] = [];
    const gateway = await startHarness({
      cache: async ({ value }) => {
        keys.push(value.key);
        return { value: {} };
      },
    });
    const body = { ...HELLO, generationConfig: { temperature: 0 } };
    for (const path of [
      `${ADDRESS}:generateContent`,
      `${ADDRESS}:generateContent`,
      `${ADDRESS}:streamGenerateContent`,
      `${ADDRESS}:streamGenerateContent?alt=sse`,
      '/v1beta/models/two-targets:generateContent',
    ]) {
      await (await post(gateway, path, body)).text();
    }
    expect(keys).toHaveLength(5);
    expect(keys[1]).toBe(keys[0]);
    expect(new Set(keys).size).toBe(4);
  });
});

/** What came before the connection was cut, which every client takes for an error. */
async function textUntilCut(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  const read = async () => {
    for await (const bytes of response.body ?? []) text += decoder.decode(bytes, { stream: true });
  };
  await expect(read()).rejects.toThrowError();
  return text;
}

describe('embeddings and counts', () => {
  test('are asked of the worker by their names', async () => {
    const { gateway, asked } = await startAsked();
    const embeddings = { model: 'one-target', input: 'a', encoding_format: 'base64' };
    expect((await post(gateway, '/v1/embeddings', embeddings)).status).toBe(200);
    const messages = [{ role: 'user', content: 'a' }];
    const counted = await post(
      gateway,
      '/v1/messages/count_tokens',
      { model: 'one-target', messages },
      { 'x-api-key': CLIENT_KEY, 'anthropic-version': '2023-06-01', 'anthropic-beta': 'b' },
    );
    expect(counted.status).toBe(200);
    expect(asked).toMatchObject([
      { dialect: 'chat', operation: 'embed', stream: false },
      {
        dialect: 'messages',
        operation: 'count-tokens',
        headers: { 'anthropic-version': '2023-06-01', 'anthropic-beta': 'b' },
      },
    ]);
    expect(gateway.reached.cache).toBe(0);
  });

  test('are looked for in the cache where the client asks for it', async () => {
    const gateway = await startHarness();
    const headers = { 'x-api-key': CLIENT_KEY, 'x-gateway-cache-ttl': '60' };
    await post(gateway, '/v1/embeddings', { model: 'one-target', input: 'a' }, headers);
    expect(gateway.reached.cache).toBe(1);
  });

  test('are refused in the words of their dialects', async () => {
    const gateway = await startHarness();
    const embeddings = await post(gateway, '/v1/embeddings', { model: 'one-target' });
    expect(await embeddings.json()).toMatchObject({ error: { param: 'input' } });
    const counted = await post(gateway, '/v1/messages/count_tokens', { model: 'one-target' });
    expect(await counted.json()).toMatchObject({
      type: 'error',
      error: { type: 'invalid_request_error' },
    });
  });
});
