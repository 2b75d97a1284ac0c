import { describe, expect, test } from 'vitest';
import { openExchange } from '../open-exchange.ts';
import { geminiRequestToChat } from './request-to-chat.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const REQUEST = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] };

function open(
  provider: 'chat' | 'messages' | 'gemini',
  more: object = {},
  request: object = REQUEST,
) {
  return openExchange({
    client: 'gemini',
    provider,
    body: encoder.encode(JSON.stringify(request)),
    model: 'target',
    stream: false,
    includeUsage: true,
    ...more,
  });
}

function bytesOf(...events: object[]): Uint8Array {
  return encoder.encode(events.map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`).join(''));
}

function elements(body: Uint8Array): Record<string, unknown>[] {
  return decoder
    .decode(body)
    .split('\r\n\r\n')
    .filter((event) => event !== '')
    .map((event) => JSON.parse(event.replace(/^data: /, '')));
}

const THINKING = {
  id: 'msg_1',
  type: 'message',
  model: 'claude',
  role: 'assistant',
  content: [
    { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
    { type: 'redacted_thinking', data: 'c2VjcmV0' },
    { type: 'text', text: 'Looking.' },
    { type: 'tool_use', id: 'toolu_1', name: 'look', input: { at: 'it' } },
  ],
  stop_reason: 'tool_use',
  usage: { input_tokens: 5, cache_read_input_tokens: 3, output_tokens: 9 },
};

const CHUNK = { id: 'c1', object: 'chat.completion.chunk', model: 'm' };

describe('an answer to a client of Google', () => {
  test('has Google’s form', () => {
    const exchange = open('messages');
    const answer = JSON.parse(
      decoder.decode(exchange.answer(encoder.encode(JSON.stringify(THINKING)))),
    );
    expect(answer).toMatchObject({
      candidates: [
        {
          index: 0,
          finishReason: 'STOP',
          content: {
            role: 'model',
            parts: [
              { text: 'Hm.', thought: true },
              { text: '', thought: true },
              { text: 'Looking.' },
              { functionCall: { id: 'toolu_1', name: 'look', args: { at: 'it' } } },
            ],
          },
        },
      ],
      usageMetadata: {
        promptTokenCount: 8,
        cachedContentTokenCount: 3,
        candidatesTokenCount: 9,
        totalTokenCount: 17,
      },
      modelVersion: 'claude',
      responseId: 'msg_1',
    });
  });

  test('carries another vendor’s proofs of reasoning through the client’s next turn', () => {
    const first = open('messages').answer(encoder.encode(JSON.stringify(THINKING)));
    const { content } = JSON.parse(decoder.decode(first)).candidates[0];
    const response = { functionResponse: { name: 'look', response: { result: 'Seen.' } } };
    const contents = [...REQUEST.contents, content, { role: 'user', parts: [response] }];
    const chat = open('chat', {}, { contents }).request.body;
    // Chat completions of other servers never see what only Anthropic can read.
    expect(decoder.decode(chat)).not.toContain('c2VjcmV0');
    const { messages } = geminiRequestToChat({ contents });
    expect(messages[1]).toMatchObject({
      role: 'assistant',
      content: 'Looking.',
      reasoning_content: 'Hm.',
      reasoning_details: [
        { type: 'reasoning.text', text: 'Hm.', signature: 'c2ln', format: 'anthropic-claude-v1' },
        { type: 'reasoning.encrypted', data: 'c2VjcmV0', format: 'anthropic-claude-v1' },
      ],
      tool_calls: [{ id: 'toolu_1', function: { name: 'look', arguments: '{"at":"it"}' } }],
    });
  });

  test('leaves a call out whose arguments were cut, and refuses others that are no object', () => {
    const completion = (reason: string) =>
      encoder.encode(
        JSON.stringify({
          ...CHUNK,
          choices: [
            {
              index: 0,
              finish_reason: reason,
              message: { tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{"a' } }] },
            },
          ],
        }),
      );
    const answer = JSON.parse(decoder.decode(open('chat').answer(completion('length'))));
    expect(answer.candidates[0]).toMatchObject({
      finishReason: 'MAX_TOKENS',
      content: { parts: [{ text: '' }] },
    });
    expect(() => open('chat').answer(completion('tool_calls'))).toThrowError(
      expect.objectContaining({ code: 'provider_bad_response' }),
    );
  });

  test('streams text at once, and calls, reason and usage at the end', () => {
    const exchange = open('chat', { stream: true });
    expect(exchange.contentType).toBe('text/event-stream');
    const stream = exchange.stream();
    const delta = (value: object) => bytesOf({ ...CHUNK, choices: [{ index: 0, delta: value }] });
    expect(elements(stream.push(delta({ content: 'Hel' })))).toMatchObject([
      { candidates: [{ content: { parts: [{ text: 'Hel' }] } }] },
    ]);
    const call = (piece: object) => delta({ tool_calls: [{ index: 0, ...piece }] });
    const begun = { id: 'call_1', function: { name: 'f', arguments: '{"a":' } };
    expect(stream.push(call(begun))).toHaveLength(0);
    expect(stream.push(call({ function: { arguments: '1}' } }))).toHaveLength(0);
    stream.push(
      bytesOf(
        { ...CHUNK, choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
        {
          ...CHUNK,
          choices: [],
          usage: {
            prompt_tokens: 4,
            completion_tokens: 6,
            total_tokens: 10,
            completion_tokens_details: { reasoning_tokens: 2 },
          },
        },
      ),
    );
    expect(elements(stream.end())).toEqual([
      {
        candidates: [
          {
            content: {
              parts: [{ functionCall: { id: 'call_1', name: 'f', args: { a: 1 } } }],
              role: 'model',
            },
            finishReason: 'STOP',
            index: 0,
          },
        ],
        usageMetadata: {
          promptTokenCount: 4,
          candidatesTokenCount: 4,
          thoughtsTokenCount: 2,
          totalTokenCount: 10,
        },
        modelVersion: 'm',
        responseId: 'c1',
      },
    ]);
  });

  test('is an array for a client that did not ask for events', () => {
    const exchange = open('chat', { stream: true, arrayStream: true });
    expect(exchange.contentType).toBe('application/json');
    expect(exchange.request.headers.accept).toBe('text/event-stream');
    const stream = exchange.stream();
    const said = bytesOf({ ...CHUNK, choices: [{ index: 0, delta: { content: 'Hi' } }] });
    const ended = bytesOf({ ...CHUNK, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
    const body = Buffer.concat([stream.push(said), stream.push(ended), stream.end()]).toString();
    expect(body).toMatch(/^\[\{.*\},\r\n\{.*\}\r\n\]$/s);
    expect(JSON.parse(body)).toHaveLength(2);
  });
});

describe('Google’s dialect on both sides', () => {
  const ANSWER = {
    candidates: [{ content: { parts: [{ text: 'Hi' }] }, finishReason: 'STOP', index: 0 }],
    usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 1, thoughtsTokenCount: 2 },
    modelVersion: 'v',
    responseId: 'r',
    somethingNew: { kept: true },
  };

  test('passes bytes, and names the target where the body names a model', () => {
    const body = { newField: 1, ...REQUEST, cachedContent: 'cachedContents/1' };
    expect(decoder.decode(open('gemini', {}, body).request.body)).toBe(JSON.stringify(body));
    const named = { model: 'models/asked', ...REQUEST };
    const exchange = open('gemini', {}, named);
    expect(JSON.parse(decoder.decode(exchange.request.body)).model).toBe('models/target');
    expect(exchange.request.path).toBe('/v1beta/models/target:generateContent');
  });

  test('passes the answer and reads its facts', () => {
    const exchange = open('gemini');
    const body = encoder.encode(JSON.stringify(ANSWER, null, 2));
    expect(exchange.answer(body)).toBe(body);
    expect(exchange.facts).toMatchObject({
      usage: { inputTokens: 3, outputTokens: 3, reasoningTokens: 2 },
      finishReasons: ['stop'],
      responseModel: 'v',
      responseId: 'r',
      outputCharacters: 2,
    });
  });

  test('says tool_calls when an earlier event held the call', () => {
    const exchange = open('gemini', { stream: true });
    const stream = exchange.stream();
    const call = { content: { parts: [{ functionCall: { name: 'f', partialArgs: [] } }] } };
    stream.push(bytesOf({ candidates: [call] }, { candidates: [{ finishReason: 'STOP' }] }));
    expect(stream.end()).toHaveLength(0);
    expect(exchange.facts.finishReasons).toEqual(['tool_calls']);
  });

  test('lets the client judge an end that is no answer, and stores none', () => {
    const exchange = open('gemini');
    const candidates = [{ finishReason: 'MALFORMED_FUNCTION_CALL' }];
    exchange.answer(encoder.encode(JSON.stringify({ candidates })));
    expect(exchange.facts.finishReasons).toEqual(['malformed_function_call']);
  });

  test('says a blocked prompt', () => {
    const exchange = open('gemini', { stream: true });
    const stream = exchange.stream();
    stream.push(bytesOf({ promptFeedback: { blockReason: 'SAFETY' } }));
    stream.end();
    expect(exchange.facts.finishReasons).toEqual(['content_filter']);
  });

  test('finishes an event whose last line break is missing', () => {
    const stream = open('gemini', { stream: true }).stream();
    const text = `data: ${JSON.stringify(ANSWER)}`;
    expect(stream.push(encoder.encode(text))).toHaveLength(0);
    expect(decoder.decode(stream.end())).toBe(`${text}\r\n\r\n`);
  });

  test.each([
    [
      'ends too soon',
      { candidates: [{ content: { parts: [{ text: 'H' }] } }] },
      'stream_interrupted',
    ],
    ['says nothing', undefined, 'stream_interrupted'],
    ['holds an error', { error: { code: 503, status: 'UNAVAILABLE' } }, 'provider_overloaded'],
    ['is no answer', 7, 'provider_bad_response'],
  ])('is an error when the stream %s', (_name, event, code) => {
    const stream = open('gemini', { stream: true }).stream();
    const act = () => {
      if (event !== undefined) stream.push(bytesOf(event as object));
      stream.end();
    };
    expect(act).toThrowError(expect.objectContaining({ code }));
  });

  test.each(['{}', '[]', '{"candidates":[{}]}', 'no JSON', ''])(
    'is an error when it is %s',
    (text) => {
      expect(() => open('gemini').answer(encoder.encode(text))).toThrowError(
        expect.objectContaining({ code: 'provider_bad_response' }),
      );
    },
  );
});
