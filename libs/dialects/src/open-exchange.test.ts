import { GatewayError } from '@gateway/protocol';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { AnswerStream, Exchange, HubDialect } from './exchange.ts';
import { openExchange } from './open-exchange.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const DIALECTS: readonly HubDialect[] = ['chat', 'messages', 'gemini'];

function open(provider: HubDialect, stream: boolean, fields: object = {}): Exchange {
  const messages = [{ role: 'user', content: 'Hello' }];
  return openExchange({
    client: 'chat',
    provider,
    body: encode(JSON.stringify({ model: 'asked', messages, stream, ...fields })),
    model: 'served',
    stream,
    includeUsage: true,
  });
}

/** Runs an action to its end or to a GatewayError; anything else is a bug. */
function codeOf(action: () => unknown): string {
  try {
    action();
    return 'none';
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}

const sse = (values: readonly unknown[], lineEnd = '\n') =>
  values
    .map((value) => `data: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .map((event) => event + lineEnd + lineEnd)
    .join('');

const STREAMS: Readonly<Record<HubDialect, string>> = {
  chat: `: hello\r\n\r\n${sse([
    { id: 'c', choices: [{ index: 0, delta: { content: '日本 😀' }, finish_reason: null }] },
    { id: 'c', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
    { id: 'c', choices: [], usage: { prompt_tokens: 1, completion_tokens: 2 } },
    '[DONE]',
  ])}`,
  messages: sse([
    { type: 'message_start', message: { id: 'm', model: 'x', usage: { input_tokens: 1 } } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'é😀' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } },
    { type: 'message_stop' },
  ]),
  gemini: sse(
    [
      { candidates: [{ content: { parts: [{ text: '日本' }] } }], responseId: 'r' },
      {
        candidates: [
          { content: { parts: [{ functionCall: { name: 'f' } }] }, finishReason: 'STOP' },
        ],
        responseId: 'r',
        usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 2 },
      },
    ],
    '\r\n',
  ),
};

function play(stream: AnswerStream, pieces: readonly Uint8Array[]): string {
  const got = pieces.map((piece) => stream.push(piece));
  return Buffer.concat([...got, stream.end()]).toString();
}

describe('openExchange', () => {
  beforeEach(() => {
    // The time of an answer is in its chunks, and would differ between two of them.
    vi.useFakeTimers({ toFake: ['Date'], now: 1_000_000 });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test.each(DIALECTS)('gives the same %s stream wherever its bytes are split', (dialect) => {
    const bytes = encode(STREAMS[dialect]);
    const whole = play(open(dialect, true).stream(), [bytes]);
    expect(whole.endsWith('data: [DONE]\n\n')).toBe(true);
    for (let at = 1; at < bytes.length; at += 1) {
      const pieces = [bytes.subarray(0, at), bytes.subarray(at)];
      expect(play(open(dialect, true).stream(), pieces)).toBe(whole);
    }
    const single = [...bytes].map((byte) => Uint8Array.of(byte));
    expect(play(open(dialect, true).stream(), single)).toBe(whole);
  });

  test.each(DIALECTS)('gives whole events of a %s stream only', (dialect) => {
    const stream = open(dialect, true).stream();
    for (const byte of encode(STREAMS[dialect])) {
      const text = Buffer.from(stream.push(Uint8Array.of(byte))).toString();
      if (text !== '') expect(text).toMatch(/(?:\n\n|\r\n\r\n)$/);
    }
  });

  test.each(DIALECTS)('says that a %s stream was cut, wherever it was', (dialect) => {
    const bytes = encode(STREAMS[dialect]);
    const finish = { chat: '"stop"', messages: 'message_stop', gemini: '"STOP"' }[dialect];
    const terminal = encode(STREAMS[dialect].slice(0, STREAMS[dialect].lastIndexOf(finish))).length;
    for (let at = 0; at < terminal; at += 1) {
      const stream = open(dialect, true).stream();
      const code = codeOf(() => play(stream, [bytes.subarray(0, at)]));
      expect(code).toBe('stream_interrupted');
    }
  });

  test.each(DIALECTS)('meets any %s answer with an answer or a GatewayError', (dialect) => {
    fc.assert(
      fc.property(anyAnswer(dialect), (value) => {
        const body = encode(JSON.stringify(value));
        const whole = codeOf(() => open(dialect, false).answer(body));
        const streamed = codeOf(() => play(open(dialect, true).stream(), [encode(sse([value]))]));
        const known = /^(?:none|provider_\w+|content_filtered|stream_interrupted)$/;
        expect(whole).toMatch(known);
        expect(streamed).toMatch(known);
      }),
      { numRuns: 400 },
    );
  });

  test('meets any bytes with an answer or a GatewayError', () => {
    fc.assert(
      fc.property(fc.constantFrom(...DIALECTS), fc.uint8Array(), (dialect, bytes) => {
        expect(codeOf(() => open(dialect, false).answer(bytes))).not.toBe('none');
        expect(codeOf(() => play(open(dialect, true).stream(), [bytes]))).not.toBe('none');
      }),
    );
  });

  test('meets any request with a request or a refusal', () => {
    const part = fc.record({ type: anyOf('text', 'image_url', 'file'), text: anyOf('a', '') });
    const message = fc.record(
      {
        role: anyOf('user', 'assistant', 'tool', 'system'),
        content: fc.oneof(anyOf('a', null), fc.array(part)),
        tool_call_id: anyOf('c'),
        tool_calls: fc.array(
          fc.record({
            id: anyOf('c'),
            function: fc.record({ name: anyOf('f'), arguments: anyOf('{}', '{') }),
          }),
        ),
      },
      { requiredKeys: ['role'] },
    );
    const fields = fc.record(
      { messages: fc.array(message), n: anyOf(1, 2), logprobs: anyOf(true), stop: anyOf('a') },
      { requiredKeys: ['messages'] },
    );
    fc.assert(
      fc.property(fc.constantFrom<HubDialect>('messages', 'gemini'), fields, (dialect, value) => {
        expect(['none', 'invalid_request']).toContain(codeOf(() => open(dialect, false, value)));
      }),
      { numRuns: 500 },
    );
  });

  test.each<[HubDialect, object, string]>([
    ['messages', { n: 2 }, 'n'],
    ['messages', { logprobs: true }, 'logprobs'],
    ['messages', { top_logprobs: 2 }, 'top_logprobs'],
    ['messages', { functions: [{ name: 'f' }] }, 'functions'],
    ['gemini', { logprobs: true }, 'logprobs'],
    ['gemini', { modalities: ['text', 'audio'] }, 'modalities'],
    ['gemini', { web_search_options: {} }, 'web_search_options'],
  ])('with %s refuses %j by name', (dialect, fields, param) => {
    expect(() => open(dialect, false, fields)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        facts: { param, reason: 'unsupported_parameter' },
      }),
    );
  });

  test.each<[HubDialect, object]>([
    ['messages', { n: 1, logprobs: false, top_logprobs: 0, functions: [], modalities: ['text'] }],
    ['messages', { n: null, audio: null, seed: 5, store: true, unknown: 1 }],
    ['gemini', { n: 2, function_call: 'auto', metadata: { a: 'b' }, user: 'u' }],
    ['chat', { n: 2, logprobs: true, modalities: ['audio'] }],
  ])('with %s accepts %j', (dialect, fields) => {
    expect(codeOf(() => open(dialect, false, fields))).toBe('none');
  });
});

function anyOf(...values: unknown[]): fc.Arbitrary<unknown> {
  return fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...values) },
    { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  );
}

/** Values near a dialect's own shape: far from it they would all be refused at the first look. */
function anyAnswer(dialect: HubDialect): fc.Arbitrary<unknown> {
  const text = anyOf('a', '', null);
  const usage = fc.dictionary(
    fc.constantFrom('prompt_tokens', 'input_tokens', 'promptTokenCount', 'total_tokens', 'a'),
    anyOf(0, 5, -1, 1.5),
  );
  const record = (model: Record<string, fc.Arbitrary<unknown>>) =>
    fc.record(model, { requiredKeys: [] });
  if (dialect === 'chat') {
    const said = record({ content: text, tool_calls: fc.array(record({ function: text })) });
    const choice = record({ index: anyOf(0, 1), delta: said, message: said, finish_reason: text });
    return fc.oneof(fc.jsonValue(), record({ choices: fc.array(choice), usage, error: text }));
  }
  if (dialect === 'messages') {
    const type = anyOf(
      'message_start',
      'content_block_start',
      'content_block_delta',
      'message_delta',
      'message_stop',
      'error',
    );
    const block = record({
      type: anyOf('text', 'tool_use', 'thinking', 'input_json_delta'),
      text,
      input: anyOf({}),
      partial_json: text,
    });
    const shape = {
      type,
      index: anyOf(0),
      content_block: block,
      delta: block,
      message: record({ usage }),
      content: fc.array(block),
      stop_reason: text,
      usage,
    };
    return fc.oneof(fc.jsonValue(), record(shape));
  }
  const call = record({ name: text, args: anyOf({}) });
  const part = record({ text, thought: anyOf(true), functionCall: call });
  const candidate = record({
    index: anyOf(0, 1),
    content: record({ parts: fc.array(part) }),
    finishReason: anyOf('STOP', 'SAFETY', 'OTHER'),
  });
  return fc.oneof(
    fc.jsonValue(),
    record({ candidates: fc.array(candidate), usageMetadata: usage }),
  );
}
