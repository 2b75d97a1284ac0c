/** Whatever a provider sends, nothing that is no answer becomes one. */
import type { ClientDialect } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { EVENT_BYTES_MAX, openExchange, type ProviderDialect } from '../src/index.ts';
import { ANSWERS, codeOf, PAIRS, PLAIN_REQUESTS, streamOf } from './provider-answers.ts';

const HTML = '<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>';
const LONG_LINE_BYTES = 10 * 1024 * 1024;
const PIECE_BYTES = 64 * 1024;

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const event = (data: string) => `data: ${data}\n\n`;

function open(client: ClientDialect, provider: ProviderDialect, stream: boolean, array = false) {
  return openExchange({
    client,
    provider,
    body: encode(JSON.stringify({ ...PLAIN_REQUESTS[client], ...streamField(client, stream) })),
    model: 'served',
    stream,
    includeUsage: true,
    arrayStream: array,
  });
}

function streamField(client: ClientDialect, stream: boolean): object {
  return client === 'gemini' || !stream ? {} : { stream };
}

/** The text with one character replaced by bytes that are no UTF-8. */
function withBadUtf8(text: string): Uint8Array {
  const bytes = encode(text);
  bytes[bytes.indexOf(0xc3)] = 0xff;
  return bytes;
}

/** What tells a client of the dialect that its answer is complete. */
const TERMINAL: Readonly<Record<ClientDialect, RegExp>> = {
  chat: /\[DONE\]/,
  messages: /message_stop/,
  gemini: /\]\s*$|"finishReason"/,
  responses: /response\.(?:completed|incomplete)/,
};

const HALF = (text: string) => text.slice(0, Math.floor(text.length / 2));

const WHOLE_FAULTS: Readonly<Record<string, (provider: ProviderDialect) => Uint8Array>> = {
  'a page of HTML': () => encode(HTML),
  'an empty body': () => encode(''),
  'white space': () => encode(' \n'),
  'half an answer': (provider) => encode(HALF(JSON.stringify(ANSWERS[provider].whole))),
  'text that is not UTF-8': (provider) =>
    withBadUtf8(JSON.stringify({ ...ANSWERS[provider].whole, note: 'né' })),
  'an error': (provider) => encode(JSON.stringify(ANSWERS[provider].error)),
  'an error as text': () => encode('{"error":"model crashed"}'),
  null: () => encode('null'),
  'a list': () => encode('[]'),
  'an empty object': () => encode('{}'),
  'a stream': (provider) => encode(streamOf(provider)),
  'a line of 10 MB': () => encode('a'.repeat(LONG_LINE_BYTES)),
};

const STREAM_FAULTS: Readonly<Record<string, (provider: ProviderDialect) => Uint8Array>> = {
  'a page of HTML': () => encode(HTML),
  'an empty body': () => encode(''),
  'comments alone': () => encode(': a\n\n: b\n\n'),
  'half an event': (provider) =>
    encode(HALF(streamOf(provider, ANSWERS[provider].events.slice(0, 1)))),
  'an event that is cut behind whole ones': (provider) => {
    const [last = {}] = ANSWERS[provider].events.slice(-1);
    const before = ANSWERS[provider].events.slice(0, 2);
    return encode(
      streamOf(provider, before).replace(event('[DONE]'), '') + HALF(event(JSON.stringify(last))),
    );
  },
  'an event that is not JSON': (provider) => encode(event('oops') + streamOf(provider)),
  'half a JSON in a whole event': (provider) =>
    encode(event(HALF(JSON.stringify(ANSWERS[provider].events[0]))) + streamOf(provider)),
  'text that is not UTF-8': (provider) => withBadUtf8(streamOf(provider)),
  'an error at once': (provider) => encode(event(JSON.stringify(ANSWERS[provider].error))),
  'an error in the middle': (provider) => {
    const [first = {}, ...rest] = ANSWERS[provider].events;
    return encode(streamOf(provider, [first, ANSWERS[provider].error, ...rest]));
  },
  'an error as text': () => encode(event('{"error":"model crashed"}')),
  'an error as a whole body': (provider) => encode(JSON.stringify(ANSWERS[provider].error)),
  'a whole answer': (provider) => encode(JSON.stringify(ANSWERS[provider].whole)),
  'a line of 10 MB': () => encode(`data: "${'a'.repeat(LONG_LINE_BYTES)}`),
  'a line of 10 MB behind an event': (provider) => {
    const start = event(JSON.stringify(ANSWERS[provider].events[0]));
    return encode(`${start}: ${'a'.repeat(LONG_LINE_BYTES)}`);
  },
};

describe.each(PAIRS)('a client of %s and a provider of %s', (client, provider) => {
  test('understand each other where nothing is wrong', () => {
    const whole = open(client, provider, false);
    const body = encode(JSON.stringify(ANSWERS[provider].whole));
    expect(Buffer.from(whole.answer(body)).toString()).not.toBe('');
    expect(whole.facts.usage).toMatchObject({ inputTokens: 3, outputTokens: 2 });
    const streamed = open(client, provider, true);
    const stream = streamed.stream();
    const text = Buffer.concat([stream.push(encode(streamOf(provider))), stream.end()]).toString();
    expect(text).toMatch(TERMINAL[client]);
    expect(streamed.facts.usage).toMatchObject({ inputTokens: 3, outputTokens: 2 });
  });

  test.each(Object.entries(WHOLE_FAULTS))('make an error of %s', (_name, fault) => {
    const code = codeOf(() => open(client, provider, false).answer(fault(provider)));
    expect(code).toMatch(/^provider_(?:bad_response|unavailable|overloaded)$/);
  });

  test.each(Object.entries(STREAM_FAULTS))('make an error of a stream of %s', (_name, fault) => {
    for (const array of client === 'gemini' ? [false, true] : [false]) {
      const bytes = fault(provider);
      const stream = open(client, provider, true, array).stream();
      const said: Uint8Array[] = [];
      let read = 0;
      const code = codeOf(() => {
        for (; read < bytes.length; read += PIECE_BYTES) {
          said.push(stream.push(bytes.subarray(read, read + PIECE_BYTES)));
        }
        said.push(stream.end());
      });
      expect(code).toMatch(
        /^(?:provider_(?:bad_response|unavailable|overloaded)|stream_interrupted)$/,
      );
      expect(stream.complete).toBe(false);
      expect(Buffer.concat(said).toString()).not.toMatch(TERMINAL[client]);
      expect(read).toBeLessThan(EVENT_BYTES_MAX + 2 * PIECE_BYTES);
    }
  });

  test('know an error with status 200 for what it says', () => {
    const { error, errorCode } = ANSWERS[provider];
    const body = encode(JSON.stringify(error));
    expect(codeOf(() => open(client, provider, false).answer(body))).toBe(errorCode);
    const stream = open(client, provider, true).stream();
    expect(codeOf(() => stream.push(encode(event(JSON.stringify(error)))))).toBe(errorCode);
  });

  test.each([
    [500, HTML],
    [502, ''],
    [503, HALF(JSON.stringify(ANSWERS[provider].error))],
    [429, '\ufffd'],
    [400, HTML],
    [302, HTML],
    [418, 'a'.repeat(LONG_LINE_BYTES)],
  ])('make an error of status %i, whatever its body is', (status, text) => {
    const error = open(client, provider, false).error(status, {}, encode(text));
    expect(error.code).toMatch(/^provider_/);
    expect(error.facts.upstreamStatus).toBe(status);
    expect(error.message.length).toBeLessThan(200);
    expect(error.message).not.toMatch(/html|aaa/i);
  });
});

// Anthropic and the Responses API say the end in an event, behind which there is nothing to hear.
const OPEN_ENDED = PAIRS.filter(([, provider]) => provider === 'chat' || provider === 'gemini');

test.each(OPEN_ENDED)(
  'a client of %s hears the error that %s says behind its last event',
  (client, provider) => {
    const { events, error, errorCode } = ANSWERS[provider];
    const stream = open(client, provider, true).stream();
    const text = [...events, error].map((value) => event(JSON.stringify(value))).join('');
    expect(codeOf(() => stream.push(encode(text)))).toBe(errorCode);
  },
);

const NO_COUNT = { input_tokens: -1, totalTokens: '3' };
const COUNTED = { messages: { input_tokens: 3 }, gemini: { totalTokens: 3 } };
const EMBEDDED = {
  chat: { data: [{ index: 0, embedding: [0.5] }], usage: { prompt_tokens: 3 } },
  gemini: { embedding: { values: [0.5] } },
};
const EMBED_REQUESTS = {
  chat: { model: 'asked', input: 'né' },
  gemini: { content: { parts: [{ text: 'né' }] } },
};

const OPERATIONS = [
  ...(['chat', 'gemini'] as const).flatMap((client) =>
    (['chat', 'gemini'] as const).map((provider) => {
      // Google's answer to a batch, which is what clients of OpenAI become.
      const isBatch = client === 'chat' && provider === 'gemini';
      const answer = isBatch ? { embeddings: [{ values: [0.5] }] } : EMBEDDED[provider];
      return {
        operation: 'embed',
        client,
        provider,
        request: EMBED_REQUESTS[client],
        answer,
      } as const;
    }),
  ),
  ...(['messages', 'gemini'] as const).flatMap((client) =>
    (['messages', 'gemini'] as const).map((provider) => {
      const request = PLAIN_REQUESTS[client];
      return {
        operation: 'count-tokens',
        client,
        provider,
        request,
        answer: COUNTED[provider],
      } as const;
    }),
  ),
];

describe.each(OPERATIONS)(
  '$operation for a client of $client by a provider of $provider',
  ({ operation, client, provider, request, answer }) => {
    const read = (bytes: Uint8Array) => {
      const body = encode(JSON.stringify(request));
      const options = { client, provider, operation, body, model: 'served' };
      return openExchange({ ...options, stream: false, includeUsage: false }).answer(bytes);
    };

    test('takes an answer', () => {
      expect(JSON.parse(Buffer.from(read(encode(JSON.stringify(answer)))).toString())).toBeTruthy();
    });

    test.each(Object.entries(WHOLE_FAULTS))('makes an error of %s', (_name, fault) => {
      const code = codeOf(() => read(fault(provider)));
      expect(code).toMatch(/^provider_(?:bad_response|unavailable|overloaded)$/);
    });

    test.each([
      HALF(JSON.stringify(answer)),
      JSON.stringify({ ...answer, data: [{}], embedding: {}, embeddings: [{}], ...NO_COUNT }),
    ])('makes an error of %s', (text) => {
      expect(codeOf(() => read(encode(text)))).toBe('provider_bad_response');
    });
  },
);
