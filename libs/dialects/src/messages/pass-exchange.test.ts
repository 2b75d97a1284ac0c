import { describe, expect, test } from 'vitest';
import type { ExchangeOptions } from '../exchange.ts';
import { openExchange } from '../open-exchange.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const BODY =
  '{"max_tokens":5, "model" : "asked","context_management":{"edits":[1e2]},"messages":[]}';

function open(more: Partial<ExchangeOptions> = {}) {
  return openExchange({
    client: 'messages',
    provider: 'messages',
    body: encode(BODY),
    model: 'served',
    stream: false,
    includeUsage: true,
    ...more,
  });
}

const event = (value: { type: string }, end = '\n\n') =>
  `event: ${value.type}\ndata: ${JSON.stringify(value)} ${end}`;
const start = event({
  type: 'message_start',
  ...{ message: { id: 'm1', model: 'served-1', usage: { input_tokens: 3, output_tokens: 1 } } },
});
const text = event({
  type: 'content_block_delta',
  ...{ index: 0, delta: { type: 'text_delta', text: 'é😀' } },
});
const ping = event({ type: 'ping' });
const delta = event({
  type: 'message_delta',
  ...{ delta: { stop_reason: 'max_tokens' }, usage: { output_tokens: 9 } },
});
const stop = event({ type: 'message_stop' });

function streamed(said: string, end = true) {
  const exchange = open({ stream: true });
  const stream = exchange.stream();
  const pieces = [decode(stream.push(encode(said)))];
  if (end) pieces.push(decode(stream.end()));
  return { exchange, stream, text: pieces.join('') };
}

describe('a message that passes', () => {
  test('changes in its model alone', () => {
    const { request } = open();
    expect(request.path).toBe('/v1/messages');
    expect(decode(request.body)).toBe(BODY.replace('"asked"', '"served"'));
    expect(request.headers).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
      'anthropic-version': '2023-06-01',
    });
  });

  test("carries the client's version of the API and its beta flags", () => {
    const headers = { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'a,b' };
    expect(open({ headers }).request.headers).toMatchObject(headers);
  });

  test('is the same bytes as a whole answer, and is read', () => {
    const body = encode(
      JSON.stringify({
        id: 'm1',
        model: 'served-1',
        content: [
          { type: 'thinking', thinking: 'Hm', signature: 'S' },
          { type: 'text', text: 'Hi' },
          { type: 'tool_use', id: 't', name: 'f', input: {} },
        ],
        stop_reason: 'tool_use',
        usage: { input_tokens: 3, cache_read_input_tokens: 4, output_tokens: 9 },
        later: 1,
      }),
    );
    const exchange = open();
    expect(exchange.answer(body)).toBe(body);
    expect(exchange.facts).toMatchObject({
      usage: { inputTokens: 7, cachedInputTokens: 4, outputTokens: 9 },
      finishReasons: ['tool_calls'],
      responseModel: 'served-1',
      responseId: 'm1',
      outputCharacters: 6,
    });
  });

  test.each([
    ['no JSON', '<html>', 'provider_bad_response'],
    ['no message', '{}', 'provider_bad_response'],
    ['an error', '{"type":"error","error":{"type":"overloaded_error"}}', 'provider_overloaded'],
  ])('is an error when it holds %s', (_name, body, code) => {
    expect(() => open().answer(encode(body))).toThrow(expect.objectContaining({ code }));
  });

  test('is the same bytes as a stream, and is read', () => {
    const said = `: hi\r\n\r\n${start}${ping}${text}${delta.replaceAll('\n', '\r\n')}${stop}`;
    for (let at = 0; at <= encode(said).length; at += 1) {
      const exchange = open({ stream: true });
      const stream = exchange.stream();
      const bytes = encode(said);
      const pieces = [stream.push(bytes.subarray(0, at)), stream.push(bytes.subarray(at))];
      expect(decode(Buffer.concat([...pieces, stream.end()]))).toBe(said);
      expect(exchange.facts).toMatchObject({
        usage: { inputTokens: 3, outputTokens: 9 },
        finishReasons: ['length'],
        responseId: 'm1',
        outputCharacters: 3,
      });
    }
  });

  test('is complete with its last event alone, and ends there', () => {
    expect(streamed(start + text + delta, false).stream.complete).toBe(false);
    const late = streamed(start + stop + ping);
    expect(late.text).toBe(start + stop);
    expect(late.stream.complete).toBe(true);
    expect(streamed((start + stop).trimEnd()).text).toBe(`${(start + stop).trimEnd()}\n\n`);
    for (const said of ['', start, start + text + delta, (start + stop).slice(0, -20)]) {
      expect(() => streamed(said)).toThrow(expect.objectContaining({ code: 'stream_interrupted' }));
    }
  });

  test.each([
    ['an error', 'data: {"type":"error","error":{"type":"api_error"}}\n\n', 'provider_unavailable'],
    ['no JSON', 'data: {"a\n\n', 'provider_bad_response'],
    ['an event of another shape', 'data: []\n\n', 'provider_bad_response'],
  ])('is an error when its stream holds %s', (_name, said, code) => {
    expect(() => streamed(start + said)).toThrow(expect.objectContaining({ code }));
  });
});
