import type { GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { readStreamedAnswer, readWholeAnswer } from '../../tests/client-answer.ts';
import { openExchange } from '../open-exchange.ts';

const USAGE = {
  input_tokens: 10,
  cache_read_input_tokens: 3,
  cache_creation_input_tokens: 7,
  output_tokens: 5,
  output_tokens_details: { thinking_tokens: 2 },
};
const OUR_USAGE = {
  inputTokens: 20,
  outputTokens: 5,
  cachedInputTokens: 3,
  cacheWriteInputTokens: 7,
  reasoningTokens: 2,
};

function open(stream: boolean, includeUsage = false) {
  const request = { model: 'asked', stream, messages: [{ role: 'user', content: 'Hello' }] };
  return openExchange({
    client: 'chat',
    provider: 'messages',
    body: new TextEncoder().encode(JSON.stringify(request)),
    model: 'claude-x',
    stream,
    includeUsage,
  });
}

function answerOf(message: object) {
  const exchange = open(false);
  const body = exchange.answer(new TextEncoder().encode(JSON.stringify(message)));
  return { exchange, body: JSON.parse(new TextDecoder().decode(body)), ...readWholeAnswer(body) };
}

const message = (content: object[], stop_reason: string | null, more: object = {}) => ({
  id: 'msg_1',
  type: 'message',
  model: 'claude-x-1',
  content,
  stop_reason,
  usage: USAGE,
  ...more,
});

function streamOf(events: readonly object[], includeUsage = true, end = true) {
  const exchange = open(true, includeUsage);
  const stream = exchange.stream();
  const pieces = events.map((event) =>
    stream.push(new TextEncoder().encode(`event: x\ndata: ${JSON.stringify(event)}\n\n`)),
  );
  if (end) pieces.push(stream.end());
  const body = Buffer.concat(pieces);
  return { exchange, stream, text: body.toString(), ...readStreamedAnswer(body) };
}

const start = {
  type: 'message_start',
  message: { id: 'msg_1', model: 'claude-x-1', usage: { ...USAGE, output_tokens: 1 } },
};
const block = (index: number, content_block: object) => ({
  type: 'content_block_start',
  index,
  content_block,
});
const delta = (index: number, value: object) => ({
  type: 'content_block_delta',
  index,
  delta: value,
});
const stop = (index: number) => ({ type: 'content_block_stop', index });
const close = (stop_reason: string, more: object = {}) => [
  { type: 'message_delta', delta: { stop_reason, ...more }, usage: { output_tokens: 5 } },
  { type: 'message_stop' },
];

describe('a message as a chat completion', () => {
  test('has the shape of OpenAI and our usage', () => {
    const { body, exchange } = answerOf(message([{ type: 'text', text: 'Hi' }], 'end_turn'));
    expect(body).toEqual({
      id: 'msg_1',
      object: 'chat.completion',
      created: expect.any(Number),
      model: 'claude-x-1',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: 'Hi', refusal: null },
          logprobs: null,
          finish_reason: 'stop',
        },
      ],
      usage: {
        prompt_tokens: 20,
        completion_tokens: 5,
        total_tokens: 25,
        prompt_tokens_details: { cached_tokens: 3, cache_write_tokens: 7 },
        completion_tokens_details: { reasoning_tokens: 2 },
      },
    });
    expect(exchange.facts).toMatchObject({
      usage: OUR_USAGE,
      finishReasons: ['stop'],
      responseModel: 'claude-x-1',
      responseId: 'msg_1',
      outputCharacters: 2,
    });
    expect(exchange.contentType).toBe('application/json');
  });

  test('carries thoughts, texts and calls, and leaves out what Anthropic ran itself', () => {
    const { body, toolCalls, reasoning } = answerOf(
      message(
        [
          { type: 'thinking', thinking: 'Hm.', signature: 's' },
          { type: 'redacted_thinking', data: 'x' },
          { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
          { type: 'tool_use', id: 't1', name: 'f', input: { a: [1] } },
          { type: 'tool_use', id: 't2', name: 'g', input: {} },
        ],
        'tool_use',
      ),
    );
    expect(body.choices[0].message.content).toBeNull();
    expect(reasoning).toBe('Hm.');
    expect(toolCalls).toEqual([
      { id: 't1', name: 'f', arguments: '{"a":[1]}' },
      { id: 't2', name: 'g', arguments: '{}' },
    ]);
  });

  test.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['pause_turn', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['tool_use', 'tool_calls'],
    ['refusal', 'content_filter'],
    [null, 'stop'],
  ])('ends %s as %s', (reason, expected) => {
    expect(answerOf(message([], reason)).finishReasons).toEqual([expected]);
  });

  test('explains a refusal where Anthropic does', () => {
    const details = { stop_details: { type: 'refusal', explanation: 'Blocked.' } };
    expect(answerOf(message([], 'refusal', details)).refusal).toBe('Blocked.');
  });

  test.each([
    ['no JSON', 'x'],
    ['no message', '{}'],
    ['nothing', ''],
  ])('is refused when the body is %s', (_name, body) => {
    expect(() => open(false).answer(new TextEncoder().encode(body))).toThrow(
      expect.objectContaining({ code: 'provider_bad_response' }),
    );
  });

  test('is an error when the body is one in spite of its status', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    expect(() => answerOf(error)).toThrow(expect.objectContaining({ code: 'provider_overloaded' }));
  });
});

describe("a message's stream as chunks", () => {
  test('opens with the role, ends with reason, usage and [DONE]', () => {
    const { text, exchange } = streamOf([
      start,
      block(0, { type: 'text', text: '' }),
      { type: 'ping' },
      delta(0, { type: 'text_delta', text: 'Hi' }),
      stop(0),
      ...close('end_turn'),
    ]);
    const events = text.split('\n\n').map((event) => event.slice('data: '.length));
    expect(events.slice(-2)).toEqual(['[DONE]', '']);
    const chunks = events.slice(0, -2).map((event) => JSON.parse(event));
    expect(chunks.map(({ choices }) => choices)).toEqual([
      [
        {
          index: 0,
          delta: { role: 'assistant', content: '', refusal: null },
          logprobs: null,
          finish_reason: null,
        },
      ],
      [{ index: 0, delta: { content: 'Hi' }, logprobs: null, finish_reason: null }],
      [{ index: 0, delta: {}, logprobs: null, finish_reason: 'stop' }],
      [],
    ]);
    expect(chunks.map(({ usage }) => usage?.total_tokens)).toEqual([
      undefined,
      undefined,
      undefined,
      25,
    ]);
    expect(chunks[0]).toMatchObject({ id: 'msg_1', object: 'chat.completion.chunk' });
    expect(exchange.facts.usage).toEqual(OUR_USAGE);
    expect(exchange.contentType).toBe('text/event-stream');
  });

  test('keeps the usage to itself when the client did not ask', () => {
    const { text, exchange } = streamOf([start, ...close('end_turn')], false);
    expect(text).not.toContain('usage');
    expect(exchange.facts.usage).toEqual(OUR_USAGE);
  });

  test('carries thoughts and parallel calls, one of them without arguments', () => {
    const { toolCalls, reasoning, finishReasons, text } = streamOf([
      start,
      block(0, { type: 'thinking', thinking: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'Hm.' }),
      delta(0, { type: 'signature_delta', signature: 's' }),
      stop(0),
      block(1, { type: 'tool_use', id: 't1', name: 'f', input: {} }),
      delta(1, { type: 'input_json_delta', partial_json: '' }),
      delta(1, { type: 'input_json_delta', partial_json: '{"a"' }),
      delta(1, { type: 'input_json_delta', partial_json: ':1}' }),
      stop(1),
      block(2, { type: 'tool_use', id: 't2', name: 'g', input: {} }),
      delta(2, { type: 'input_json_delta', partial_json: '' }),
      stop(2),
      ...close('tool_use'),
    ]);
    expect(reasoning).toBe('Hm.');
    expect(toolCalls).toEqual([
      { id: 't1', name: 'f', arguments: '{"a":1}' },
      { id: 't2', name: 'g', arguments: '{}' },
    ]);
    expect(finishReasons).toEqual(['tool_calls']);
    const called = { name: 'g', arguments: '' };
    const calls = [{ index: 1, id: 't2', type: 'function', function: called }];
    expect(text).toContain(JSON.stringify({ tool_calls: calls }));
  });

  test('is complete with message_stop and not before', () => {
    const events = [start, ...close('end_turn')];
    const { stream } = streamOf(events.slice(0, -1), true, false);
    expect(stream.complete).toBe(false);
    expect(() => stream.end()).toThrow(expect.objectContaining({ code: 'stream_interrupted' }));
    expect(streamOf(events).stream.complete).toBe(true);
  });

  test('says an error inside the stream', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
    expect(() => streamOf([start, error])).toThrow(
      expect.objectContaining({ code: 'provider_overloaded' }) as GatewayError,
    );
  });

  test('refuses an answer that begins again', () => {
    expect(() => streamOf([start, start])).toThrow(
      expect.objectContaining({ code: 'provider_bad_response' }),
    );
  });
});
