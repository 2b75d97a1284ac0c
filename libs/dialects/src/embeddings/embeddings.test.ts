import { describe, expect, test } from 'vitest';
import type { ProviderDialect } from '../exchange.ts';
import { openExchange } from '../open-exchange.ts';
import { parseEmbedContentRequest } from './embed-content-request.ts';
import { INPUTS_MAX, parseEmbeddingsRequest } from './embeddings-request.ts';
import { base64FromVector, vectorFromBase64 } from './vector.ts';

const encoder = new TextEncoder();

function bytesOf(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

function jsonOf(bytes: Uint8Array) {
  return JSON.parse(new TextDecoder().decode(bytes));
}

function open(client: 'chat' | 'gemini', provider: ProviderDialect, body: object) {
  return openExchange({
    client,
    operation: 'embed',
    provider,
    body: bytesOf(body),
    model: 'target',
    stream: false,
    includeUsage: false,
  });
}

function refusal(param: string) {
  return expect.objectContaining({
    code: 'invalid_request',
    facts: expect.objectContaining({ param }),
  });
}

const bad = expect.objectContaining({ code: 'provider_bad_response' });
const VECTOR = [0.5, -0.25, 1];
const LIST = {
  object: 'list',
  id: 'e1',
  data: [
    { object: 'embedding', index: 1, embedding: [2] },
    { object: 'embedding', index: 0, embedding: [1] },
  ],
  model: 'm',
  usage: { prompt_tokens: 7, total_tokens: 7 },
};

describe('a vector in base64', () => {
  test('is 32-bit floats, the lowest byte first', () => {
    expect(base64FromVector([1, -2])).toBe('AACAPwAAAMA=');
    expect(vectorFromBase64('AACAPwAAAMA=')).toEqual([1, -2]);
    expect(vectorFromBase64(base64FromVector(VECTOR))).toEqual(VECTOR);
  });

  test.each(['', 'AACA', '!'])('is none when it is %j', (text) => {
    expect(vectorFromBase64(text)).toBeUndefined();
  });
});

describe('OpenAI’s embeddings', () => {
  test('pass, with the model of the target', () => {
    const body = { user: 'u', model: 'asked', input: [[1, 2]], dimensions: 3, extra: true };
    const exchange = open('chat', 'chat', body);
    expect(exchange.request.path).toBe('/embeddings');
    expect(jsonOf(exchange.request.body)).toEqual({ ...body, model: 'target' });
    const answer = bytesOf(LIST);
    expect(exchange.answer(answer)).toBe(answer);
    expect(exchange.facts).toMatchObject({
      usage: { inputTokens: 7, outputTokens: 0 },
      responseModel: 'm',
      responseId: 'e1',
    });
  });

  test('come in base64 from a server that knows nothing but floats, and the other way', () => {
    const asked = { model: 'm', input: ['a', 'b'], encoding_format: 'base64' };
    const answer = jsonOf(open('chat', 'chat', asked).answer(bytesOf(LIST)));
    expect(answer).toMatchObject({ object: 'list', id: 'e1', usage: LIST.usage });
    expect(answer.data).toEqual([
      { object: 'embedding', index: 0, embedding: base64FromVector([1]) },
      { object: 'embedding', index: 1, embedding: base64FromVector([2]) },
    ]);
    const encoded = { ...LIST, data: [{ index: 0, embedding: base64FromVector(VECTOR) }] };
    const plain = open('chat', 'chat', { model: 'm', input: 'a' }).answer(bytesOf(encoded));
    expect(jsonOf(plain).data[0].embedding).toEqual(VECTOR);
  });

  test.each([
    [{ object: 'list' }],
    [{ data: [{}] }],
    [{ data: [{ embedding: ['a'] }] }],
    [{ data: [{ embedding: 'AAAA' }] }],
    [[]],
  ])('are an error when the answer is %j', (answer) => {
    expect(() =>
      open('chat', 'chat', { model: 'm', input: 'a' }).answer(bytesOf(answer)),
    ).toThrowError(bad);
  });

  test('come from Google, in either form', () => {
    const asked = { model: 'm', input: ['a', 'b'], dimensions: 3 };
    const exchange = open('chat', 'gemini', asked);
    expect(exchange.request.path).toBe('/v1beta/models/target:batchEmbedContents');
    expect(jsonOf(exchange.request.body)).toEqual({
      requests: ['a', 'b'].map((text) => ({
        model: 'models/target',
        content: { parts: [{ text }] },
        outputDimensionality: 3,
      })),
    });
    const answer = { embeddings: [{ values: VECTOR }, { values: [2] }] };
    const tokens = Math.ceil(bytesOf(asked).length / 4);
    expect(jsonOf(exchange.answer(bytesOf(answer)))).toEqual({
      object: 'list',
      data: [
        { object: 'embedding', index: 0, embedding: VECTOR },
        { object: 'embedding', index: 1, embedding: [2] },
      ],
      model: 'target',
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
    // What Google did not count is estimated where the attempt is recorded.
    expect(exchange.facts.usage).toBeUndefined();
    const encoded = open('chat', 'gemini', { ...asked, encoding_format: 'base64' });
    const counted = { ...answer, usageMetadata: { promptTokenCount: 2 } };
    expect(jsonOf(encoded.answer(bytesOf(counted)))).toMatchObject({
      data: [{ embedding: base64FromVector(VECTOR) }, { embedding: base64FromVector([2]) }],
      usage: { prompt_tokens: 2, total_tokens: 2 },
    });
    expect(encoded.facts.usage).toMatchObject({ inputTokens: 2, outputTokens: 0 });
  });

  test('of another number than the inputs are an error', () => {
    const exchange = open('chat', 'gemini', { model: 'm', input: ['a', 'b'] });
    expect(() => exchange.answer(bytesOf({ embeddings: [{ values: [1] }] }))).toThrowError(bad);
  });

  test('of tokens are refused where the model takes text alone', () => {
    expect(() => open('chat', 'gemini', { model: 'm', input: [1, 2] })).toThrowError(
      refusal('input'),
    );
  });

  test('are refused by a model that cannot embed', () => {
    for (const client of ['chat', 'gemini'] as const) {
      expect(() => open(client, 'messages', { model: 'm', input: 'a' })).toThrowError(
        refusal('model'),
      );
    }
  });

  test.each([
    [{ model: 'm' }, 'input'],
    [{ input: 'a' }, 'model'],
    [{ model: 'm', input: [] }, 'input'],
    [{ model: 'm', input: ['a', 1] }, 'input'],
    [{ model: 'm', input: 'a', dimensions: 0 }, 'dimensions'],
    [{ model: 'm', input: 'a', encoding_format: 'int8' }, 'encoding_format'],
    [{ model: 'm', input: 'a', api_base: 'x' }, 'api_base'],
  ])('are refused by the field that is wrong in %j', (body, field) => {
    const facts = expect.objectContaining({ param: expect.stringContaining(field) });
    expect(() => parseEmbeddingsRequest(bytesOf(body))).toThrowError(
      expect.objectContaining({ code: 'invalid_request', facts }),
    );
  });

  test('are bounded in their inputs', () => {
    const input = Array.from({ length: INPUTS_MAX }, () => 'a');
    expect(parseEmbeddingsRequest(bytesOf({ model: 'm', input })).stream).toBe(false);
    expect(() =>
      parseEmbeddingsRequest(bytesOf({ model: 'm', input: [...input, 'a'] })),
    ).toThrowError(refusal('input'));
  });

  test('say the provider’s error', () => {
    const said = bytesOf({ error: { message: 'No.', type: 'invalid_request_error' } });
    expect(open('chat', 'chat', { model: 'm', input: 'a' }).error(400, {}, said)).toMatchObject({
      code: 'provider_rejected',
      message: 'No.',
    });
  });
});

describe('Google’s embeddings', () => {
  const text = (value: string) => ({ parts: [{ text: value }] });

  test('pass, with the model of the target in every request', () => {
    const one = { content: text('a'), taskType: 'CLUSTERING' };
    const single = open('gemini', 'gemini', { model: 'models/asked', ...one });
    expect(single.request.path).toBe('/v1beta/models/target:embedContent');
    expect(jsonOf(single.request.body)).toEqual({ model: 'models/target', ...one });
    const batch = open('gemini', 'gemini', { requests: [{ model: 'models/asked', ...one }, one] });
    expect(batch.request.path).toBe('/v1beta/models/target:batchEmbedContents');
    const named = { ...one, model: 'models/target' };
    expect(jsonOf(batch.request.body)).toEqual({ requests: [named, named] });
    const answer = bytesOf({ embedding: { values: VECTOR } });
    expect(single.answer(answer)).toBe(answer);
  });

  test('come from a server of OpenAI’s dialect, one or many', () => {
    const asked = { content: { parts: [{ text: 'a' }, { text: 'b' }] }, output_dimensionality: 3 };
    const single = open('gemini', 'chat', asked);
    expect(jsonOf(single.request.body)).toEqual({
      model: 'target',
      input: ['ab'],
      encoding_format: 'float',
      dimensions: 3,
    });
    const entry = { index: 0, embedding: base64FromVector(VECTOR) };
    expect(jsonOf(single.answer(bytesOf({ ...LIST, data: [entry] })))).toEqual({
      embedding: { values: VECTOR },
      usageMetadata: { promptTokenCount: 7 },
    });
    const batch = open('gemini', 'chat', {
      requests: [{ content: text('a') }, { content: text('b') }],
    });
    expect(jsonOf(batch.answer(bytesOf(LIST)))).toEqual({
      embeddings: [{ values: [1] }, { values: [2] }],
      usageMetadata: { promptTokenCount: 7 },
    });
  });

  test.each([
    [
      {
        requests: [{ content: text('a'), outputDimensionality: 3 }, { content: text('b') }],
      },
      'requests[1].outputDimensionality',
    ],
    [{ content: { parts: [{ inlineData: {} }] } }, 'requests[0].content.parts[0]'],
  ])('are refused where another vendor cannot: %j', (body, param) => {
    expect(() => open('gemini', 'chat', body)).toThrowError(refusal(param));
  });

  test('name no other model than the address does', () => {
    const parse = (body: object, batch: boolean) =>
      parseEmbedContentRequest(bytesOf(body), { model: 'm', batch });
    const named = (model: string) => ({ content: text('a'), model: `models/${model}` });
    expect(parse(named('m'), false)).toMatchObject({ model: 'm', stream: false });
    expect(parse({ requests: [named('m')] }, true).parsed.requests).toHaveLength(1);
    expect(() => parse(named('x'), false)).toThrowError(refusal('model'));
    expect(() => parse({ requests: [named('m'), named('x')] }, true)).toThrowError(
      refusal('requests[1].model'),
    );
    expect(() => parse(named('m'), true)).toThrowError(refusal('requests'));
    expect(() => parse({ requests: [named('m')] }, false)).toThrowError(refusal('content'));
    expect(() => parse({ requests: [] }, true)).toThrowError(refusal('requests'));
  });
});
