import { GatewayError } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ExchangeOptions, ProviderDialect } from '../exchange.ts';
import { openExchange } from '../open-exchange.ts';
import { geminiRequestFromChat } from './request-from-chat.ts';
import { geminiRequestToChat } from './request-to-chat.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const word = fc.stringMatching(/^[a-zA-Z0-9é😀{}" ]{0,8}[a-z]$/u);
const name = fc.stringMatching(/^[a-z]{1,6}$/);
const args = fc.dictionary(name, fc.oneof(word, fc.integer(), fc.boolean()));

const text = fc.record({ text: word });
const image = fc.oneof(
  fc.record({
    inlineData: fc.record({
      mimeType: fc.constantFrom('image/png', 'application/pdf'),
      data: fc.base64String({ minLength: 4 }),
    }),
  }),
  name.map((path) => ({
    fileData: { mimeType: 'image/png', fileUri: `https://a.b/${path}.png` },
  })),
);
const signature = fc.base64String({ minLength: 4 }).map((proof) => ({ thoughtSignature: proof }));
const call = fc
  .tuple(fc.record({ functionCall: fc.record({ name, args }) }), signature)
  .map(([part, proof]) => ({ ...part, ...proof }));

/** A question, and as often as it likes: calls, their results and an answer. */
const conversation = fc
  .tuple(
    fc.array(fc.oneof(text, image), { minLength: 1, maxLength: 3 }),
    fc.array(fc.tuple(fc.array(call, { minLength: 1, maxLength: 3 }), word, text), {
      maxLength: 3,
    }),
  )
  .map(([question, rounds]) => [
    { role: 'user', parts: question },
    ...rounds.flatMap(([calls, result, answer]) => [
      { role: 'model', parts: calls },
      {
        role: 'user',
        parts: calls.map(({ functionCall }) => ({
          functionResponse: { name: functionCall.name, response: { result } },
        })),
      },
      { role: 'model', parts: [answer] },
      { role: 'user', parts: [answer] },
    ]),
  ]);

const config = fc.record(
  {
    temperature: fc.constantFrom(0, 0.5, 2),
    topP: fc.constantFrom(0.1, 1),
    topK: fc.integer({ min: 1, max: 64 }),
    maxOutputTokens: fc.integer({ min: 1, max: 9_999 }),
    candidateCount: fc.integer({ min: 2, max: 4 }),
    stopSequences: fc.array(word, { minLength: 1, maxLength: 4 }),
    seed: fc.integer(),
    presencePenalty: fc.constantFrom(-1, 0.5),
    frequencyPenalty: fc.constantFrom(-1, 0.5),
  },
  { requiredKeys: [] },
);
const json = fc.constantFrom(
  {},
  { responseMimeType: 'application/json' },
  {
    responseMimeType: 'application/json',
    responseJsonSchema: { type: 'object', properties: { a: { type: 'string' } } },
  },
);
const thinking = fc.constantFrom({}, { thinkingConfig: { thinkingLevel: 'low' } });
const tools = fc.constantFrom(
  {},
  {
    tools: [{ functionDeclarations: [{ name: 'a', parametersJsonSchema: { type: 'object' } }] }],
    toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['a'] } },
  },
);

/** Without the place where each empty value may or may not stand. */
function plain(value: object): object {
  return JSON.parse(JSON.stringify(value));
}

describe('the hub', () => {
  test('loses nothing of a request that both dialects can say', () => {
    fc.assert(
      fc.property(conversation, config, json, thinking, tools, word, (...said) => {
        const [contents, settings, format, thoughts, declared, instruction] = said;
        const generationConfig = { ...settings, ...format, ...thoughts };
        const request = {
          contents,
          systemInstruction: { parts: [{ text: instruction }] },
          ...declared,
          ...(Object.keys(generationConfig).length > 0 && { generationConfig }),
        };
        const chat = geminiRequestToChat(request);
        const again = plain(geminiRequestFromChat(chat, 'gemini-3-pro', false).body);
        const asked =
          'thinkingConfig' in thoughts
            ? { thinkingConfig: { thinkingLevel: 'low', includeThoughts: true } }
            : {};
        const expected = plain({
          ...request,
          ...(Object.keys(generationConfig).length > 0 && {
            generationConfig: { ...generationConfig, ...asked },
          }),
        });
        expect(again).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });
});

const OPTIONS = { model: 'm', stream: false, includeUsage: true } as const;
const PROVIDERS: readonly ProviderDialect[] = ['chat', 'messages', 'gemini'];

/** Runs it; whatever it throws is an error of ours. */
function attempt(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    expect((error as GatewayError).code).not.toBe('internal');
  }
}

/** Any JSON, and JSON that is nearly right: with names that the dialect knows. */
function nearly(names: readonly string[]): fc.Arbitrary<unknown> {
  return fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom<unknown>(null, 0, -1, 1.5, '', 'a', 'user', 'model', true, 'STOP', 'AAAA'),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names), tie('value'), { maxKeys: 4 }),
    ),
  })).value;
}

const REQUEST_NAMES = [
  ...['contents', 'parts', 'role', 'text', 'thought', 'thoughtSignature', 'thought_signature'],
  ...['inlineData', 'mimeType', 'data', 'fileData', 'fileUri', 'functionCall', 'name', 'args'],
  ...['functionResponse', 'response', 'tools', 'functionDeclarations', 'parameters', 'type'],
  ...['generationConfig', 'responseSchema', 'responseMimeType', 'thinkingConfig', 'properties'],
  ...['systemInstruction', 'toolConfig', 'functionCallingConfig', 'mode', 'requests', 'content'],
  ...['model', 'input', 'dimensions', 'encoding_format', 'messages', 'generateContentRequest'],
];
const ANSWER_NAMES = [
  ...['candidates', 'content', 'parts', 'text', 'functionCall', 'name', 'args', 'finishReason'],
  ...['usageMetadata', 'promptTokenCount', 'thoughtsTokenCount', 'index', 'promptFeedback'],
  ...['blockReason', 'error', 'code', 'status', 'embedding', 'embeddings', 'values', 'data'],
  ...['totalTokens', 'input_tokens', 'usage', 'prompt_tokens', 'choices', 'message'],
];

const ASKED: readonly (Pick<ExchangeOptions, 'client' | 'operation'> & {
  readonly body: object;
})[] = [
  { client: 'gemini', body: { contents: [{ parts: [{ text: 'a' }] }] } },
  { client: 'gemini', operation: 'embed', body: { content: { parts: [{ text: 'a' }] } } },
  { client: 'chat', operation: 'embed', body: { model: 'm', input: 'a' } },
  { client: 'gemini', operation: 'count-tokens', body: { contents: [{ parts: [{ text: 'a' }] }] } },
  {
    client: 'messages',
    operation: 'count-tokens',
    body: { model: 'm', messages: [{ role: 'user', content: 'a' }] },
  },
];

describe('whatever is sent', () => {
  test('a request is taken or refused with an error of ours', () => {
    fc.assert(
      fc.property(nearly(REQUEST_NAMES), (value) => {
        const body = encode(JSON.stringify(value) ?? 'null');
        for (const { client, operation } of ASKED) {
          for (const provider of PROVIDERS) {
            attempt(() => openExchange({ ...OPTIONS, client, operation, provider, body }));
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  test('an answer is read or refused with an error of ours', () => {
    fc.assert(
      fc.property(nearly(ANSWER_NAMES), (value) => {
        const answer = encode(JSON.stringify(value));
        for (const { body, ...asked } of ASKED) {
          for (const provider of PROVIDERS) {
            const options = { ...OPTIONS, ...asked, provider, body: encode(JSON.stringify(body)) };
            attempt(() => openExchange(options).answer(answer));
            if (asked.operation !== undefined) continue;
            attempt(() => {
              const stream = openExchange({ ...options, stream: true }).stream();
              stream.push(encode(`data: ${JSON.stringify(value)}\n\n`));
              stream.end();
            });
          }
        }
      }),
      { numRuns: 400 },
    );
  });
});
