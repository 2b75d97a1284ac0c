import { describe, expect, test } from 'vitest';
import type { ProviderDialect } from '../exchange.ts';
import { openExchange } from '../open-exchange.ts';
import { parseGeminiCountRequest, parseMessagesCountRequest } from './parse-request.ts';

const encoder = new TextEncoder();

function bytesOf(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

function jsonOf(bytes: Uint8Array | undefined) {
  return JSON.parse(new TextDecoder().decode(bytes));
}

function open(client: 'messages' | 'gemini', provider: ProviderDialect, body: object) {
  return openExchange({
    client,
    operation: 'count-tokens',
    provider,
    body: bytesOf(body),
    model: 'target',
    stream: false,
    includeUsage: true,
    headers: { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'a,b' },
  });
}

const TOOL = { name: 'look', description: 'Looks.', input_schema: { type: 'object' } };
const MESSAGE = {
  model: 'asked',
  system: 'Be brief.',
  messages: [{ role: 'user', content: 'Hello' }],
  tools: [TOOL],
};
const CONTENTS = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] };
const bad = expect.objectContaining({ code: 'provider_bad_response' });

describe('a count of tokens', () => {
  test('passes to Anthropic with the client’s headers, and costs nothing', () => {
    const exchange = open('messages', 'messages', { ...MESSAGE, new_field: 1 });
    expect(exchange.request).toMatchObject({
      path: '/v1/messages/count_tokens',
      headers: { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'a,b' },
    });
    expect(jsonOf(exchange.request.body)).toEqual({ ...MESSAGE, model: 'target', new_field: 1 });
    const answer = encoder.encode('{"input_tokens":12} ');
    expect(exchange.answer(answer)).toBe(answer);
    expect(exchange.ownAnswer).toBeUndefined();
    expect(exchange.facts.usage).toMatchObject({ inputTokens: 0, outputTokens: 0 });
  });

  test('passes to Google, which wants the model in a whole request', () => {
    const bare = open('gemini', 'gemini', CONTENTS);
    expect(bare.request.path).toBe('/v1beta/models/target:countTokens');
    expect(jsonOf(bare.request.body)).toEqual(CONTENTS);
    for (const name of ['generateContentRequest', 'generate_content_request']) {
      const whole = open('gemini', 'gemini', { [name]: { model: 'models/asked', ...CONTENTS } });
      expect(jsonOf(whole.request.body)).toEqual({
        [name]: { model: 'models/target', ...CONTENTS },
      });
    }
    const answer = bytesOf({ totalTokens: 8, promptTokensDetails: [] });
    expect(bare.answer(answer)).toBe(answer);
  });

  test('is Google’s for a client of Anthropic', () => {
    const exchange = open('messages', 'gemini', MESSAGE);
    expect(jsonOf(exchange.request.body)).toMatchObject({
      generateContentRequest: {
        model: 'models/target',
        ...CONTENTS,
        systemInstruction: { parts: [{ text: 'Be brief.' }] },
        tools: [{ functionDeclarations: [{ name: 'look' }] }],
      },
    });
    expect(jsonOf(exchange.answer(bytesOf({ totalTokens: 8 })))).toEqual({ input_tokens: 8 });
  });

  test('is Anthropic’s for a client of Google, asked with nothing that it refuses', () => {
    const request = { ...CONTENTS, generationConfig: { temperature: 0.5, maxOutputTokens: 5 } };
    const exchange = open('gemini', 'messages', { generateContentRequest: request });
    expect(jsonOf(exchange.request.body)).toEqual({
      model: 'target',
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
    });
    expect(exchange.request.headers).not.toHaveProperty('anthropic-beta');
    expect(jsonOf(exchange.answer(bytesOf({ input_tokens: 9 })))).toEqual({ totalTokens: 9 });
  });

  test('is estimated where the provider has none to give', () => {
    const count = (body: object) =>
      jsonOf(open('messages', 'chat', { ...MESSAGE, ...body }).ownAnswer).input_tokens as number;
    const least = count({});
    expect(least).toBeGreaterThanOrEqual(8);
    expect(least).toBeLessThan(40);
    const longer = count({ messages: [{ role: 'user', content: 'a'.repeat(4_000) }] });
    expect(longer - least).toBe(999);
    const image = (data: string) => ({
      type: 'image',
      source: { type: 'base64', media_type: 'image/png', data },
    });
    const content = (bytes: number) => [image('a'.repeat(bytes))];
    const small = count({ messages: [{ role: 'user', content: content(4) }] });
    expect(small).toBeGreaterThan(1_600);
    expect(count({ messages: [{ role: 'user', content: content(40_000) }] })).toBe(small);
    expect(jsonOf(open('gemini', 'chat', CONTENTS).ownAnswer)).toEqual({
      totalTokens: expect.any(Number),
    });
  });

  test.each(['{}', '{"input_tokens":"1"}', '[]', 'no', '{"totalTokens":-1}'])(
    'is an error when the answer is %s',
    (answer) => {
      for (const provider of ['messages', 'gemini'] as const) {
        expect(() =>
          open('messages', provider, MESSAGE).answer(encoder.encode(answer)),
        ).toThrowError(bad);
      }
    },
  );

  test('says the provider’s error', () => {
    const said = bytesOf({ type: 'error', error: { type: 'not_found_error', message: 'No.' } });
    expect(open('messages', 'messages', MESSAGE).error(404, {}, said)).toMatchObject({
      code: 'provider_model_not_found',
    });
  });
});

describe('a request for a count', () => {
  test('is a message without a length', () => {
    expect(parseMessagesCountRequest(bytesOf(MESSAGE))).toMatchObject({
      model: 'asked',
      stream: false,
      deterministic: false,
    });
    const facts = expect.objectContaining({ param: 'messages' });
    expect(() => parseMessagesCountRequest(bytesOf({ model: 'm' }))).toThrowError(
      expect.objectContaining({ code: 'invalid_request', facts }),
    );
  });

  test('is contents or a whole request of Google, of the model in the address', () => {
    const parse = (body: object) => parseGeminiCountRequest(bytesOf(body), { model: 'm' });
    expect(parse(CONTENTS).model).toBe('m');
    expect(parse({ generateContentRequest: { model: 'models/m', ...CONTENTS } }).model).toBe('m');
    for (const [body, param] of [
      [
        { generateContentRequest: { model: 'models/x', ...CONTENTS } },
        'generateContentRequest.model',
      ],
      [{ ...CONTENTS, generateContentRequest: CONTENTS }, 'contents'],
      [{}, 'contents'],
    ] as const) {
      const facts = expect.objectContaining({ param });
      expect(() => parse(body)).toThrowError(
        expect.objectContaining({ code: 'invalid_request', facts }),
      );
    }
  });
});
