/** Clients that do not speak chat completions, with the models of every vendor. */
import { NotFoundError } from 'openai';
import { describe, expect, test } from 'vitest';
import { clientDialects, postAs } from './client-dialects.ts';
import {
  callsOf,
  createKey,
  echoOf,
  MODELS,
  openaiClient,
  prompt,
  requestIdOf,
  rowsOf,
} from './gateway-calls.ts';
import { gatewayKinds, useGateway } from './use-gateway.ts';

const BEARER = { headers: (key: string) => ({ authorization: `Bearer ${key}` }) };
const EMBEDDING_MODELS = [
  { provider: 'openai', model: 'text-embedding-3-small' },
  { provider: 'google', model: 'gemini-embedding-001' },
];

describe.each(gatewayKinds)('a client of the $name gateway', (kind) => {
  const gateway = useGateway(kind);

  const talks = clientDialects.flatMap((dialect) =>
    MODELS.map((target) => ({ ...target, dialect, name: dialect.name })),
  );
  test.each(talks)('that speaks $name is answered by $model', async (talk) => {
    const { dialect, provider, model } = talk;
    const { id, key } = await createKey(gateway());
    const plain = prompt('Hello there');
    const tool = prompt('Please call get_weather {"city":"Oslo"}');
    for (const stream of [false, true]) {
      for (const { content: text } of [plain, tool]) {
        const path = dialect.path({ model, stream });
        const body = dialect.body({ model, text, stream });
        const response = await postAs(dialect, gateway(), { path, key, body });
        const answer = await response.text();
        expect(response.status, answer).toBe(200);
        const [call, ...repeated] = callsOf(gateway().simulator, requestIdOf(response));
        expect(call).toMatchObject({ vendor: provider, stream, ended: 'complete' });
        expect(repeated).toEqual([]);
        expect(stream ? dialect.readStream(answer) : dialect.readWhole(answer)).toEqual({
          text: text === plain.content ? echoOf(plain) : '',
          ...(text === tool.content && {
            call: { name: 'get_weather', arguments: { city: 'Oslo' } },
          }),
          input: call?.usage?.input,
          output: call?.usage?.output,
        });
      }
    }
    const rows = await rowsOf(gateway(), id, 4);
    expect(rows).toHaveLength(4);
    for (const row of rows) {
      const [call] = callsOf(gateway().simulator, row.request_id);
      expect(row).toMatchObject({
        endpoint: dialect.endpoint(row.stream === true),
        stream: call?.stream,
        model,
        provider,
        status: 200,
        ended: 'complete',
        input_tokens: call?.usage?.input,
        output_tokens: call?.usage?.output,
        attempts: 1,
      });
    }
  });

  test.each(EMBEDDING_MODELS)(
    'gets embeddings of $model as floats and as base64',
    async (asked) => {
      const { provider, model } = asked;
      const { id, key } = await createKey(gateway());
      const embeddings = async (format: 'float' | 'base64') => {
        const body = { model, input: ['one', 'two'], dimensions: 4, encoding_format: format };
        const response = await postAs(BEARER, gateway(), { path: '/v1/embeddings', key, body });
        const answer = (await response.json()) as { data: { embedding: number[] & string }[] };
        expect(response.status, JSON.stringify(answer)).toBe(200);
        return answer.data.map(({ embedding }) => embedding);
      };
      const floats = await embeddings('float');
      const decoded = (await embeddings('base64')).map((text) => {
        const bytes = Buffer.from(text, 'base64');
        return [0, 4, 8, 12].map((offset) => bytes.readFloatLE(offset));
      });
      expect(floats.map(({ length }) => length)).toEqual([4, 4]);
      expect(floats.map((vector) => vector.map(Math.fround))).toEqual(decoded);
      const rows = await rowsOf(gateway(), id, 2);
      expect(rows).toHaveLength(2);
      for (const row of rows) {
        const [call] = callsOf(gateway().simulator, row.request_id);
        expect(row).toMatchObject({ endpoint: '/v1/embeddings', provider, status: 200 });
        expect([row.input_tokens, row.output_tokens]).toEqual([call?.usage?.input, 0]);
      }
    },
  );

  test('hears that Anthropic has no embeddings', async () => {
    const { id, key } = await createKey(gateway());
    const body = { model: 'claude-sonnet-4-5', input: 'one' };
    const response = await postAs(BEARER, gateway(), { path: '/v1/embeddings', key, body });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: 'model' } });
    expect(callsOf(gateway().simulator, requestIdOf(response))).toEqual([]);
    expect(await rowsOf(gateway(), id, 1)).toMatchObject([
      { endpoint: '/v1/embeddings', status: 400, error_code: 'invalid_request', input_tokens: 0 },
    ]);
  });

  test.each(MODELS)('gets the tokens of a prompt counted for $model', async (asked) => {
    const { provider, model } = asked;
    const { id, key } = await createKey(gateway());
    const { role, content } = prompt('How long is this?');
    const path = '/v1/messages/count_tokens';
    const body = { model, messages: [{ role, content }] };
    const counted = await postAs(BEARER, gateway(), { path, key, body });
    expect(await counted.json()).toEqual({ input_tokens: expect.any(Number) });
    const google = {
      path: `/v1beta/models/${model}:countTokens`,
      key,
      body: { contents: [{ parts: [{ text: content }] }] },
    };
    const countedToo = await postAs(BEARER, gateway(), google);
    const { totalTokens } = (await countedToo.json()) as { totalTokens: number };
    expect(totalTokens).toBeGreaterThan(5);
    const rows = await rowsOf(gateway(), id, 2);
    expect(rows.map(({ endpoint }) => endpoint)).toEqual([
      '/v1beta/models/{model}:countTokens',
      path,
    ]);
    for (const row of rows) {
      expect(row).toMatchObject({ provider, status: 200, input_tokens: 0, output_tokens: 0 });
      const calls = callsOf(gateway().simulator, row.request_id);
      expect(calls).toHaveLength(provider === 'openai' ? 0 : 1);
    }
  });

  const openaiError = { error: { message: expect.any(String), type: 'invalid_request_error' } };
  const googleError = (code: number, status: string) => ({
    error: { code, status, message: expect.any(String) },
  });
  const anthropicError = (type: string) => ({
    type: 'error',
    error: { type, message: expect.any(String) },
    request_id: expect.any(String),
  });
  const SHAPES: Readonly<Record<string, Readonly<Record<number, object>>>> = {
    messages: {
      400: anthropicError('invalid_request_error'),
      401: anthropicError('authentication_error'),
      404: anthropicError('not_found_error'),
    },
    gemini: {
      400: googleError(400, 'INVALID_ARGUMENT'),
      401: googleError(401, 'UNAUTHENTICATED'),
      404: googleError(404, 'NOT_FOUND'),
    },
    responses: { 400: openaiError, 401: openaiError, 404: openaiError },
  };
  const named = clientDialects.filter(({ name }) => name in SHAPES);
  test.each(named)('that speaks $name is refused in its own words', async (dialect) => {
    const { id, key } = await createKey(gateway());
    const question = { model: 'gpt-4o-mini', text: prompt('Hello').content, stream: false };
    const unknown = { ...question, model: 'nothing-like-it' };
    const path = dialect.path(question);
    const body = dialect.body(question);
    const asked = [
      { status: 400, path, key, body: { model: question.model, stream: false } },
      { status: 401, path, key: 'a-key-that-nobody-made', body },
      { status: 404, path: dialect.path(unknown), key, body: dialect.body(unknown) },
    ];
    for (const { status, ...one } of asked) {
      const response = await postAs(dialect, gateway(), one);
      const answer = await response.json();
      expect([response.status, answer]).toMatchObject([status, SHAPES[dialect.name]?.[status]]);
    }
    const rows = await rowsOf(gateway(), id, 2);
    expect(rows.map(({ status, endpoint }) => [status, endpoint])).toEqual([
      [404, dialect.endpoint(false)],
      [400, dialect.endpoint(false)],
    ]);
  });

  const ENDS: Readonly<Record<string, object>> = {
    messages: { type: 'error', error: { type: 'api_error' } },
    gemini: { error: { code: 502, status: 'UNAVAILABLE' } },
    'gemini without alt=sse': { error: { code: 502, status: 'UNAVAILABLE' } },
    responses: { type: 'error', code: 'stream_interrupted' },
  };
  const broken = clientDialects.flatMap((dialect) =>
    MODELS.map(({ model }) => ({ dialect, name: dialect.name, model })),
  );
  test.each(broken)('that speaks $name hears that $model broke off', async ({ dialect, model }) => {
    const { id, key } = await createKey(gateway());
    const { content: text } = prompt('sim:tokens=40;cut=after:9');
    const path = dialect.path({ model, stream: true });
    const body = dialect.body({ model, text, stream: true });
    const response = await postAs(dialect, gateway(), { path, key, body });
    const decoder = new TextDecoder();
    let read = '';
    const reading = async () => {
      for await (const piece of response.body ?? [])
        read += decoder.decode(piece, { stream: true });
    };
    await expect(reading()).rejects.toThrow();
    expect(dialect.eventsOf(read).at(-1)).toMatchObject(ENDS[dialect.name] as object);
    const [row] = await rowsOf(gateway(), id, 1);
    expect(row).toMatchObject({ status: 200, error_code: 'stream_interrupted', attempts: 1 });
  });

  test('goes on from a response that is kept for its tenant alone', async () => {
    const tenants = await Promise.all(
      ['kept', 'other'].map((tenant) => createKey(gateway(), { tenant })),
    );
    const [own, other] = tenants.map(({ key: clientKey }) =>
      openaiClient({ baseUrl: gateway().baseUrl, clientKey }),
    );
    if (own === undefined || other === undefined) throw new Error('There is no key.');
    const model = 'gpt-4o-mini';
    const first = await own.responses.create({ model, input: prompt('I am Ada.').content });
    const next = {
      model,
      input: prompt('Who am I? sim:show=request').content,
      previous_response_id: first.id,
    };
    const second = await own.responses.create(next);
    expect(JSON.parse(second.output_text).turns).toHaveLength(3);
    expect(await own.responses.retrieve(first.id)).toMatchObject({ id: first.id });
    await expect(other.responses.create(next)).rejects.toMatchObject({ status: 400 });
    await expect(other.responses.retrieve(first.id)).rejects.toThrow(NotFoundError);
    await own.responses.delete(first.id);
    await expect(own.responses.retrieve(first.id)).rejects.toThrow(NotFoundError);
  });
});
