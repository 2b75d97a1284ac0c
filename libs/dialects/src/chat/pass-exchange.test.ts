import { describe, expect, test } from 'vitest';
import { openExchange } from '../open-exchange.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const BODY = '{"model":"asked", "messages":[{"role":"user","content":"Hi"}]}';

function open({ stream = false, includeUsage = false, body = BODY } = {}) {
  return openExchange({
    client: 'chat',
    provider: 'chat',
    body: encode(body),
    model: 'served',
    stream,
    includeUsage,
  });
}

function streamed(text: string, includeUsage = false, end = true) {
  const exchange = open({ stream: true, includeUsage });
  const stream = exchange.stream();
  const pieces = [decode(stream.push(encode(text)))];
  if (end) pieces.push(decode(stream.end()));
  return { exchange, stream, text: pieces.join('') };
}

function chunk(delta: object, finish_reason: string | null = null, more: object = {}): string {
  const choices = [{ index: 0, delta, finish_reason }];
  return `data: ${JSON.stringify({ id: 'c1', model: 'served-1', choices, ...more })}\n\n`;
}
const USAGE = { prompt_tokens: 5, completion_tokens: 7, total_tokens: 12 };
const USAGE_CHUNK = `data: ${JSON.stringify({ id: 'c1', choices: [], usage: USAGE })}\n\n`;
const DONE = 'data: [DONE]\n\n';

describe('a request that passes', () => {
  test('changes in its model alone', () => {
    const { request } = open();
    expect(request.path).toBe('/chat/completions');
    expect(decode(request.body)).toBe(BODY.replace('asked', 'served'));
    expect(request.headers).toEqual({
      'content-type': 'application/json',
      accept: 'application/json',
    });
  });

  test.each([
    [
      'none',
      '{"model":"a","x":1e2}',
      '{"stream_options":{"include_usage":true},"model":"served","x":1e2}',
    ],
    [
      'null',
      '{"model":"a","stream_options": null}',
      '{"model":"served","stream_options": {"include_usage":true}}',
    ],
    [
      'false',
      '{"stream_options":{"include_usage":false,"a":[1]},"model":"a"}',
      '{"stream_options":{"include_usage":true,"a":[1]},"model":"served"}',
    ],
  ])('asks for usage where the stream options are %s', (_name, body, expected) => {
    expect(decode(open({ stream: true, body }).request.body)).toBe(expected);
  });

  test('keeps the stream options of a client that asks for usage itself', () => {
    const body = '{"model":"a","stream_options":{ "include_usage":true }}';
    const { request } = open({ stream: true, includeUsage: true, body });
    expect(decode(request.body)).toBe(body.replace('"a"', '"served"'));
    expect(request.headers.accept).toBe('text/event-stream');
  });
});

describe('a whole answer that passes', () => {
  test('is the same bytes, and is read', () => {
    const message = { content: 'Hi', tool_calls: [{ function: { name: 'f', arguments: '{}' } }] };
    const choices = [{ index: 0, message, finish_reason: 'tool_calls' }];
    const body = encode(
      JSON.stringify({ id: 'c1', model: 'served-1', choices, usage: USAGE, x: 1 }, null, 2),
    );
    const exchange = open();
    expect(exchange.answer(body)).toBe(body);
    expect(exchange.facts).toMatchObject({
      usage: { inputTokens: 5, outputTokens: 7 },
      finishReasons: ['tool_calls'],
      responseModel: 'served-1',
      responseId: 'c1',
      outputCharacters: 4,
    });
  });

  test.each([
    ['no JSON', '<html>', 'provider_bad_response'],
    ['nothing', '', 'provider_bad_response'],
    ['null', 'null', 'provider_bad_response'],
    ['no choices', '{}', 'provider_bad_response'],
    ['choices of another shape', '{"choices":[1]}', 'provider_bad_response'],
    ['an error', '{"error":{"message":"x","code":429}}', 'provider_rate_limited'],
    ['an error in a word', '{"error":"x"}', 'provider_unavailable'],
  ])('is an error when it holds %s', (_name, body, code) => {
    expect(() => open().answer(encode(body))).toThrow(expect.objectContaining({ code }));
  });

  test.each([
    ['OpenAI', { ...USAGE, completion_tokens_details: { reasoning_tokens: 3 } }, [5, 7, 0, 3]],
    ['OpenAI, cached', { ...USAGE, prompt_tokens_details: { cached_tokens: 4 } }, [5, 7, 4, 0]],
    ['DeepSeek', { ...USAGE, prompt_cache_hit_tokens: 4 }, [5, 7, 4, 0]],
    [
      'xAI, which counts reasoning apart',
      { ...USAGE, total_tokens: 22, completion_tokens_details: { reasoning_tokens: 10 } },
      [5, 17, 0, 10],
    ],
    [
      "Google's compatible API, which does not say what is apart",
      { ...USAGE, total_tokens: 22 },
      [5, 17, 0, 10],
    ],
    ['nobody', { prompt_tokens: -1, completion_tokens: 'x' }, undefined],
  ])('counts as %s does', (_name, usage, expected) => {
    const exchange = open();
    exchange.answer(encode(JSON.stringify({ choices: [], usage })));
    const { usage: ours } = exchange.facts;
    expect(
      ours && [ours.inputTokens, ours.outputTokens, ours.cachedInputTokens, ours.reasoningTokens],
    ).toEqual(expected);
  });
});

describe('a stream that passes', () => {
  const hi = chunk({ role: 'assistant', content: 'Hi' });
  const stop = chunk({}, 'stop');

  test('is the same bytes, comments and line ends included', () => {
    const text = `: wait\r\n\r\n${hi.replaceAll('\n', '\r\n')}${stop}${USAGE_CHUNK}${DONE}`;
    const { text: got, exchange, stream } = streamed(text, true);
    expect(got).toBe(text);
    expect(stream.complete).toBe(true);
    expect(exchange.facts).toMatchObject({
      usage: { inputTokens: 5, outputTokens: 7 },
      finishReasons: ['stop'],
      responseModel: 'served-1',
      outputCharacters: 2,
    });
  });

  test('loses the usage chunk that the client did not ask for, and nothing else', () => {
    const { text, exchange } = streamed(hi + stop + USAGE_CHUNK + DONE);
    expect(text).toBe(hi + stop + DONE);
    expect(exchange.facts.usage?.outputTokens).toBe(7);
  });

  test('keeps usage that rides on a choice, and chunks that are empty for other reasons', () => {
    const first = 'data: {"choices":[],"prompt_filter_results":[],"usage":null}\n\n';
    const last = chunk({}, 'stop', { usage: USAGE });
    const { text, exchange } = streamed(first + hi + last + DONE);
    expect(text).toBe(first + hi + last + DONE);
    expect(exchange.facts.usage?.outputTokens).toBe(7);
  });

  test("reads Groq's usage", () => {
    const { exchange } = streamed(chunk({}, 'stop', { x_groq: { usage: USAGE } }));
    expect(exchange.facts.usage?.outputTokens).toBe(7);
  });

  test('gets the [DONE] that the provider left out', () => {
    expect(streamed(hi + stop).text).toBe(hi + stop + DONE);
  });

  test('gets the line ends that the provider left out', () => {
    expect(streamed(`${hi}${stop}data: [DONE]`).text).toBe(hi + stop + DONE);
    expect(streamed(hi + stop.trimEnd()).text).toBe(hi + stop + DONE);
  });

  test('drops the rest of an event that was cut behind the end of the answer', () => {
    expect(streamed(hi + stop + USAGE_CHUNK.slice(0, 30)).text).toBe(hi + stop + DONE);
    expect(streamed(`${hi + stop}: com`).text).toBe(hi + stop + DONE);
  });

  test('ends with [DONE], whatever comes behind it', () => {
    expect(streamed(`${hi + DONE}data: {"error":"late"}\n\n`).text).toBe(hi + DONE);
  });

  test('is complete with the last finish reason or [DONE], and interrupted without', () => {
    expect(streamed(hi, false, false).stream.complete).toBe(false);
    expect(streamed(stop, false, false).stream.complete).toBe(true);
    expect(streamed(DONE, false, false).stream.complete).toBe(true);
    const other = stop.replace('"index":0', '"index":1');
    expect(streamed(hi + other, false, false).stream.complete).toBe(false);
    for (const text of ['', hi, hi + other]) {
      expect(() => streamed(text)).toThrow(expect.objectContaining({ code: 'stream_interrupted' }));
    }
  });

  test.each([
    [
      'an error',
      'data: {"error":{"message":"x","type":"server_error"}}\n\n',
      'provider_unavailable',
    ],
    [
      'an event of the type error',
      'event: error\ndata: {"error":{"message":"x","status_code":400}}\n\n',
      'provider_rejected',
    ],
    ['no JSON', 'data: {"a\n\n', 'provider_bad_response'],
    ['choices of another shape', 'data: {"choices":{}}\n\n', 'provider_bad_response'],
  ])('is an error when it holds %s', (_name, text, code) => {
    expect(() => streamed(hi + text)).toThrow(expect.objectContaining({ code }));
  });

  test.each([
    ['chunks that differ in their text', [chunk({ content: 'a' }), chunk({ content: 'bc' })]],
    ['other letters', [chunk({ content: 'ä' }), chunk({ content: '世界' })]],
    ['escapes', [chunk({ content: 'a' }), chunk({ content: '"\n' }), chunk({ content: 'b' })]],
    ['another model', [chunk({ content: 'a' }), chunk({ content: 'b' }, null, { model: 'm' })]],
    ['two choices', [chunk({ content: 'a' }), chunk({ content: 'b' }).replace('0', '1')]],
    ['thoughts', [chunk({ reasoning_content: 'a' }), chunk({ reasoning_content: 'bcd' })]],
  ])('says the same of %s, however it is split', (_name, chunks) => {
    const text = [...chunks, ...chunks, stop, DONE].join('');
    const whole = open({ stream: true });
    const wholeText = decode(whole.stream().push(encode(text)));
    const facts = { ...whole.facts, finishReasons: whole.facts.finishReasons };
    expect(wholeText).toBe(text);
    const bytes = encode(text);
    for (const size of [1, 7, 64, 100, ...chunks.map(({ length }) => length)]) {
      const split = open({ stream: true });
      const stream = split.stream();
      let got = '';
      for (let at = 0; at < bytes.length; at += size) {
        got += Buffer.from(stream.push(bytes.subarray(at, at + size))).toString('latin1');
      }
      expect(Buffer.from(got, 'latin1').toString()).toBe(text);
      expect({ ...split.facts, finishReasons: split.facts.finishReasons }).toEqual(facts);
    }
    const single = open({ stream: true });
    const stream = single.stream();
    for (const one of [...chunks, ...chunks, stop, DONE]) {
      expect(decode(stream.push(encode(one)))).toBe(one);
    }
    expect({ ...single.facts, finishReasons: single.facts.finishReasons }).toEqual(facts);
    const characters = chunks.join('').match(/content":"((?:[^"\\]|\\.)*)"/g) ?? [];
    const counted = characters.map((found) => JSON.parse(found.slice(9)).length);
    expect(facts.outputCharacters).toBe(2 * counted.reduce((sum, one) => sum + one, 0));
  });

  test('an error behind chunks that are alike is an error', () => {
    const exchange = open({ stream: true });
    const stream = exchange.stream();
    for (const text of ['a', 'b', 'c']) stream.push(encode(chunk({ content: text })));
    const error = 'data: {"error":{"message":"x","type":"server_error"}}\n\n';
    expect(() => stream.push(encode(error))).toThrow(
      expect.objectContaining({ code: 'provider_unavailable' }),
    );
    expect(exchange.facts.outputCharacters).toBe(3);
  });
});
