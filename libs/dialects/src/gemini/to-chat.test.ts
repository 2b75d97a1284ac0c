import { describe, expect, test } from 'vitest';
import { readStreamedAnswer, readWholeAnswer } from '../../tests/client-answer.ts';
import { openExchange } from '../open-exchange.ts';

const USAGE_METADATA = {
  promptTokenCount: 10,
  toolUsePromptTokenCount: 4,
  candidatesTokenCount: 5,
  thoughtsTokenCount: 20,
  cachedContentTokenCount: 3,
  totalTokenCount: 39,
};
const OUR_USAGE = {
  inputTokens: 14,
  outputTokens: 25,
  cachedInputTokens: 3,
  cacheWriteInputTokens: 0,
  reasoningTokens: 20,
};

function open(stream: boolean, fields: object = {}) {
  const messages = [{ role: 'user', content: 'Hello' }];
  return openExchange({
    client: 'chat',
    provider: 'gemini',
    body: new TextEncoder().encode(JSON.stringify({ model: 'asked', stream, messages, ...fields })),
    model: 'gemini-x',
    stream,
    includeUsage: true,
  });
}

const candidate = (parts: object[], finishReason?: string, index = 0) => ({
  index,
  content: { role: 'model', parts },
  ...(finishReason !== undefined && { finishReason }),
});
const answer = (candidates: object[], more: object = {}) => ({
  candidates,
  modelVersion: 'gemini-x-001',
  responseId: 'r1',
  ...more,
});
const call = (name: string, args?: object, more: object = {}) => ({
  functionCall: { name, ...(args && { args }) },
  ...more,
});

function wholeOf(value: object, fields: object = {}) {
  const exchange = open(false, fields);
  const body = exchange.answer(new TextEncoder().encode(JSON.stringify(value)));
  return { exchange, body: JSON.parse(new TextDecoder().decode(body)), ...readWholeAnswer(body) };
}

function streamOf(values: readonly object[], fields: object = {}) {
  const exchange = open(true, fields);
  const stream = exchange.stream();
  const pieces = values.map((value) =>
    stream.push(new TextEncoder().encode(`data: ${JSON.stringify(value)}\r\n\r\n`)),
  );
  const { complete } = stream;
  const body = Buffer.concat([...pieces, stream.end()]);
  return { exchange, complete, text: body.toString(), ...readStreamedAnswer(body) };
}

describe("Google's answer as a chat completion", () => {
  test('has the shape of OpenAI and our usage', () => {
    const { body, exchange } = wholeOf(
      answer([candidate([{ text: 'Hi' }], 'STOP')], { usageMetadata: USAGE_METADATA }),
    );
    expect(body).toEqual({
      id: 'r1',
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'gemini-x-001',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hi', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 14,
        completion_tokens: 25,
        total_tokens: 39,
        prompt_tokens_details: { cached_tokens: 3 },
        completion_tokens_details: { reasoning_tokens: 20 },
      },
    });
    expect(exchange.facts).toMatchObject({ usage: OUR_USAGE, responseId: 'r1' });
  });

  test('carries thoughts and calls, and names the calls', () => {
    const { toolCalls, reasoning, body } = wholeOf(
      answer([
        candidate(
          [
            { text: 'Hm.', thought: true },
            call('f', { a: [1] }, { thoughtSignature: 'sig' }),
            call('g'),
            { functionCall: { id: 'own', name: 'h', args: {} } },
          ],
          'STOP',
        ),
      ]),
    );
    expect(reasoning).toBe('Hm.');
    expect(toolCalls).toEqual([
      { id: 'call_r1_0', name: 'f', arguments: '{"a":[1]}' },
      { id: 'call_r1_1', name: 'g', arguments: '{}' },
      { id: 'own', name: 'h', arguments: '{}' },
    ]);
    const [choice] = body.choices;
    expect(choice.finish_reason).toBe('tool_calls');
    expect(choice.message.content).toBeNull();
    expect(choice.message.tool_calls[0].extra_content).toEqual({
      google: { thought_signature: 'sig' },
    });
    expect(choice.message.tool_calls[1]).not.toHaveProperty('extra_content');
  });

  test('gives one call to a client that wants no parallel ones', () => {
    const parts = [call('f'), call('g')];
    const fields = { parallel_tool_calls: false };
    expect(wholeOf(answer([candidate(parts, 'STOP')]), fields).toolCalls).toHaveLength(1);
    expect(streamOf([answer([candidate(parts, 'STOP')])], fields).toolCalls).toHaveLength(1);
  });

  test('carries several candidates', () => {
    const { texts, finishReasons } = wholeOf(
      answer([candidate([{ text: 'A' }], 'STOP', 0), candidate([{ text: 'B' }], 'MAX_TOKENS', 1)]),
    );
    expect(texts).toEqual(['A', 'B']);
    expect(finishReasons).toEqual(['stop', 'length']);
  });

  test.each([
    ['STOP', 'stop'],
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content_filter'],
    ['RECITATION', 'content_filter'],
    ['PROHIBITED_CONTENT', 'content_filter'],
    ['SPII', 'content_filter'],
    ['BLOCKLIST', 'content_filter'],
    ['OTHER', 'stop'],
  ])('ends %s as %s, whole and streamed', (reason, expected) => {
    const value = answer([candidate([], reason)]);
    expect(wholeOf(value).finishReasons).toEqual([expected]);
    expect(streamOf([value]).finishReasons).toEqual([expected]);
  });

  test.each(['MALFORMED_FUNCTION_CALL', 'MISSING_THOUGHT_SIGNATURE'])(
    'is refused when it ended with %s',
    (reason) => {
      const value = answer([candidate([], reason)]);
      const refusal = expect.objectContaining({ code: 'provider_bad_response' });
      expect(() => wholeOf(value)).toThrow(refusal);
      expect(() => streamOf([value])).toThrow(refusal);
    },
  );

  test('says that a prompt was blocked, whole and streamed', () => {
    const value = { promptFeedback: { blockReason: 'SAFETY' }, usageMetadata: USAGE_METADATA };
    expect(wholeOf(value)).toMatchObject({ finishReasons: ['content_filter'], texts: [''] });
    expect(streamOf([value])).toMatchObject({
      finishReasons: ['content_filter'],
      done: true,
      complete: true,
    });
  });

  test.each([
    ['no candidates', {}],
    ['an array', []],
    [
      'arguments in pieces',
      answer([candidate([{ functionCall: { name: 'f', partialArgs: [] } }])]),
    ],
    ['a call without a name', answer([candidate([{ functionCall: {} }])])],
  ])('is refused with %s', (_name, value) => {
    expect(() => wholeOf(value)).toThrow(
      expect.objectContaining({ code: 'provider_bad_response' }),
    );
  });
});

describe("Google's stream as chunks", () => {
  test('may be one event', () => {
    const value = answer([candidate([{ text: 'Hi' }], 'STOP')], { usageMetadata: USAGE_METADATA });
    const { texts, finishReasons, done, usage, exchange } = streamOf([value]);
    expect({ texts, finishReasons, done }).toEqual({
      texts: ['Hi'],
      finishReasons: ['stop'],
      done: true,
    });
    expect(usage).toMatchObject({ prompt_tokens: 14, completion_tokens: 25 });
    expect(exchange.facts.usage).toEqual(OUR_USAGE);
  });

  test('keeps text and usage that come behind a finish reason', () => {
    const { texts, finishReasons, toolCalls, exchange } = streamOf([
      answer([candidate([call('f')], 'STOP')], { usageMetadata: { promptTokenCount: 1 } }),
      answer([candidate([{ text: 'Done.' }])]),
      answer([], { usageMetadata: USAGE_METADATA }),
    ]);
    expect(texts).toEqual(['Done.']);
    expect(toolCalls).toHaveLength(1);
    expect(finishReasons).toEqual(['tool_calls']);
    expect(exchange.facts.usage).toEqual(OUR_USAGE);
  });

  test('numbers calls over all events', () => {
    const { toolCalls, text } = streamOf([
      answer([candidate([call('f', { a: 1 })])]),
      answer([candidate([call('f', { a: 2 })], 'STOP')]),
    ]);
    expect(toolCalls).toEqual([
      { id: 'call_r1_0', name: 'f', arguments: '{"a":1}' },
      { id: 'call_r1_1', name: 'f', arguments: '{"a":2}' },
    ]);
    expect(text).toContain('"finish_reason":"tool_calls"');
  });

  test('is complete when every candidate has a reason, and not before', () => {
    const exchange = open(true);
    const stream = exchange.stream();
    const push = (value: object) =>
      stream.push(new TextEncoder().encode(`data: ${JSON.stringify(value)}\r\n\r\n`));
    expect(stream.complete).toBe(false);
    push(answer([candidate([{ text: 'A' }], 'STOP', 0), candidate([{ text: 'B' }], undefined, 1)]));
    expect(stream.complete).toBe(false);
    push(answer([candidate([], 'STOP', 1)]));
    expect(stream.complete).toBe(true);
  });

  test('is interrupted without a finish reason', () => {
    expect(() => streamOf([answer([candidate([{ text: 'A' }])])])).toThrow(
      expect.objectContaining({ code: 'stream_interrupted' }),
    );
    expect(() => streamOf([])).toThrow(expect.objectContaining({ code: 'stream_interrupted' }));
  });

  test('says an error inside the stream', () => {
    const error = { error: { code: 503, message: 'Overloaded', status: 'UNAVAILABLE' } };
    expect(() => streamOf([answer([candidate([{ text: 'A' }])]), error])).toThrow(
      expect.objectContaining({ code: 'provider_overloaded' }),
    );
  });
});
