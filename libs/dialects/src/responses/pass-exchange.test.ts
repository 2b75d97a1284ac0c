import { describe, expect, test } from 'vitest';
import type { Exchange } from '../exchange.ts';
import { openPassingResponses } from './pass-exchange.ts';
import { openResponseId, responseIdKey, sealResponseId } from './response-id.ts';

const key = responseIdKey('pepper', 'team-a');
const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function open(body: string, stream = false): Exchange {
  return openPassingResponses({
    client: 'responses',
    provider: 'responses',
    body: encode(body),
    model: 'theirs',
    stream,
    includeUsage: true,
    state: { key, provider: 'openai' },
  });
}

const sse = (event: { type: string }) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
const USAGE = { input_tokens: 9, output_tokens: 5, total_tokens: 14 };
const response = (fields: object) => ({ id: 'resp_1', model: 'm', output: [], ...fields });
const CREATED = sse({ type: 'response.created', ...{ response: response({}) } });
const DELTA = sse({ type: 'response.output_text.delta', ...{ delta: 'Hi' } });
const ended = (type: string, fields: object) => sse({ type, ...{ response: response(fields) } });
const COMPLETED = ended('response.completed', { status: 'completed', usage: USAGE });

function play(exchange: Exchange, text: string, pieceBytes = 3): string {
  const stream = exchange.stream();
  const bytes = encode(text);
  let got = '';
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    got += decode(stream.push(bytes.subarray(at, at + pieceBytes)));
  }
  return got + decode(stream.end());
}

describe('responses on both sides', () => {
  test('pass but for the model', () => {
    const { request } = open('{ "model" : "ours", "input":"Hello","new":{"a":[1]} }');
    expect(request.path).toBe('/responses');
    expect(decode(request.body)).toBe('{ "model" : "theirs", "input":"Hello","new":{"a":[1]} }');
  });

  test('have the id of the previous response that the provider knows', () => {
    const id = sealResponseId(key, { provider: 'openai', id: 'resp_9' });
    const { request } = open(`{"model":"m","previous_response_id":"${id}","input":"Hello"}`);
    expect(JSON.parse(decode(request.body)).previous_response_id).toBe('resp_9');
  });

  test.each([
    'resp_9',
    sealResponseId(responseIdKey('pepper', 'team-b'), { provider: 'openai', id: 'resp_9' }),
    sealResponseId(key, { provider: 'other', id: 'resp_9' }),
  ])('are refused with the previous response %s', (id) => {
    expect(() => open(`{"model":"m","previous_response_id":"${id}"}`)).toThrow('was not found');
  });

  test('come back with ids of ours where the provider keeps them', () => {
    const previous = sealResponseId(key, { provider: 'openai', id: 'resp_0' });
    const body = '{"id": "resp_1", "previous_response_id" : "resp_0","output":[],"x": 1.0}';
    const got = decode(open('{"model":"m"}').answer(encode(body)));
    const { id } = JSON.parse(got);
    expect(openResponseId(key, id)).toEqual({ provider: 'openai', id: 'resp_1' });
    expect(got).toBe(
      `{"id": "${id}", "previous_response_id" : "${previous}","output":[],"x": 1.0}`,
    );
  });

  test('come back byte for byte where nothing is kept', () => {
    const text = `: hi\n\n${CREATED}${DELTA}${COMPLETED}data: [DONE]\n\n`;
    expect(play(open('{"model":"m","store":false}', true), text)).toBe(text);
  });

  test('have the same id in every event', () => {
    const got = play(open('{"model":"m"}', true), CREATED + DELTA + COMPLETED);
    const ids = [...got.matchAll(/"id":"([^"]+)"/g)].map(([, id]) => id ?? '');
    expect(ids).toHaveLength(2);
    expect(new Set(ids).size).toBe(1);
    expect(openResponseId(key, ids[0] ?? '')).toEqual({ provider: 'openai', id: 'resp_1' });
  });

  test.each([
    ['response.completed', { status: 'completed' }, 'stop'],
    [
      'response.completed',
      { status: 'completed', output: [{ type: 'function_call' }] },
      'tool_calls',
    ],
    ['response.completed', { status: 'completed', output: [{ type: 'web_search_call' }] }, 'stop'],
    ['response.incomplete', { status: 'incomplete' }, 'length'],
    [
      'response.incomplete',
      { status: 'incomplete', incomplete_details: { reason: 'content_filter' } },
      'content_filter',
    ],
  ])('end with %s %j, which is %s', (type, fields, reason) => {
    const exchange = open('{"model":"m"}', true);
    play(exchange, CREATED + DELTA + ended(type, { ...fields, usage: USAGE }));
    expect(exchange.facts).toMatchObject({
      finishReasons: [reason],
      responseId: 'resp_1',
      responseModel: 'm',
      outputCharacters: 2,
      usage: { inputTokens: 9, outputTokens: 5 },
    });
  });

  test.each([
    ['nothing', ''],
    ['no last event', CREATED + DELTA],
    ['half of the last event', CREATED + DELTA + COMPLETED.slice(0, -30)],
    ['[DONE] without a last event', `${CREATED}data: [DONE]\n\n`],
  ])('are an interrupted stream with %s', (_what, text) => {
    expect(() => play(open('{"model":"m"}', true), text)).toThrow('before it was complete');
  });

  test.each([
    [
      'a response that failed',
      ended('response.failed', { error: { code: 'server_error', message: 'x' } }),
      'provider_unavailable',
    ],
    ['a failure without a reason', ended('response.failed', {}), 'provider_unavailable'],
    [
      'a flat error',
      sse({ type: 'error', ...{ code: 'rate_limit_exceeded', message: 'x' } }),
      'provider_rate_limited',
    ],
    [
      'a nested error',
      sse({ type: 'error', ...{ error: { code: 'insufficient_quota' } } }),
      'provider_quota_exhausted',
    ],
    [
      'an error without a type',
      'data: {"error":{"message":"x","code":429}}\n\n',
      'provider_unavailable',
    ],
    ['what is no JSON', 'data: <html>\n\n', 'provider_bad_response'],
    ['what is no object', 'data: [1]\n\n', 'provider_bad_response'],
    [
      'an end without a response',
      'data: {"type":"response.completed"}\n\n',
      'provider_bad_response',
    ],
  ])('are an error with %s', (_what, text, code) => {
    const exchange = open('{"model":"m"}', true);
    expect(() => play(exchange, CREATED + text)).toThrow(expect.objectContaining({ code }));
  });

  test.each([
    [
      'a failed response',
      '{"id":"a","status":"failed","error":{"code":"server_error","message":"x"},"output":[]}',
      'provider_unavailable',
    ],
    ['an error', '{"error":{"code":"rate_limit_exceeded"}}', 'provider_rate_limited'],
    ['no output', '{"id":"a"}', 'provider_bad_response'],
    ['no JSON', '<html>', 'provider_bad_response'],
    ['an array', '[]', 'provider_bad_response'],
  ])('are an error with %s in a whole answer', (_what, text, code) => {
    const exchange = open('{"model":"m"}');
    expect(() => exchange.answer(encode(text))).toThrow(expect.objectContaining({ code }));
  });

  test('are told to the gateway with usage even where they failed', () => {
    const exchange = open('{"model":"m"}', true);
    expect(() => play(exchange, ended('response.failed', { usage: USAGE }))).toThrow();
    expect(exchange.facts.usage).toMatchObject({ inputTokens: 9, outputTokens: 5 });
  });
});
