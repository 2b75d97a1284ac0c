/** JSON that is almost what it should be: every reader answers it or refuses it, and never breaks. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type ExchangeOptions,
  openExchange,
  parseChatRequest,
  parseEmbedContentRequest,
  parseEmbeddingsRequest,
  parseGeminiCountRequest,
  parseGeminiRequest,
  parseMessagesCountRequest,
  parseMessagesRequest,
  parseResponsesRequest,
} from '../src/index.ts';
import { ANSWERS, codeOf, PAIRS, PLAIN_REQUESTS, streamOf } from './provider-answers.ts';
import { RICH_REQUESTS } from './rich-requests.ts';

const ROUNDS = 300;

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** Values that readers are most likely to mistake. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(null, '', 0, -1, 1.5, true, [], {}, [null], [[]], { type: 'text' }),
  fc.constantFrom<unknown>('__proto__', 'constructor', '\ud800', '{', 1e308, 'text', 'user'),
  fc.jsonValue({ maxDepth: 2 }),
);

interface Change {
  readonly at: number;
  readonly value: unknown;
}
const changes = fc.array(fc.record({ at: fc.nat(), value: odd }), { minLength: 1, maxLength: 3 });

/** A copy in which values somewhere inside are others. */
function changed<Value>(value: Value, made: readonly Change[]): unknown {
  const root = { value: structuredClone(value) as unknown };
  for (const change of made) {
    const places = placesIn(root);
    const place = places[change.at % places.length];
    if (place !== undefined) place.holder[place.name] = structuredClone(change.value);
  }
  return root.value;
}

interface Place {
  readonly holder: Record<string, unknown>;
  readonly name: string;
}

function placesIn(value: unknown): Place[] {
  if (typeof value !== 'object' || value === null) return [];
  const holder = value as Record<string, unknown>;
  return Object.keys(holder).flatMap((name) => [{ holder, name }, ...placesIn(holder[name])]);
}

const tool = { type: 'function', function: { name: 'f', parameters: { type: 'object' } } };
const CHAT = {
  model: 'asked',
  messages: [
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a', cache_control: { type: 'ephemeral' } },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
        { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
        { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA' } },
      ],
    },
    {
      role: 'assistant',
      content: null,
      reasoning_content: 'Hm.',
      reasoning_details: [
        { type: 'reasoning.text', text: 'a', signature: 'b', format: 'anthropic-claude-v1' },
        { type: 'reasoning.encrypted', data: 'a', format: 'google-gemini-v1' },
      ],
      tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }],
    },
    { role: 'tool', tool_call_id: 'c', content: [{ type: 'text', text: 'a' }], is_error: true },
  ],
  tools: [tool],
  tool_choice: { type: 'function', function: { name: 'f' } },
  response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } },
  stop: ['a'],
  reasoning_effort: 'low',
  max_tokens: 5,
  metadata: { a: 'b' },
};
const CONTENTS = { content: { parts: [{ text: 'a' }] }, outputDimensionality: 3 };

interface Door {
  readonly seeds: readonly object[];
  readonly options: Pick<ExchangeOptions, 'client' | 'operation'>;
  parse(body: Uint8Array): unknown;
}

const address = { model: 'asked', stream: false, arrayStream: false };
const DOORS: Readonly<Record<string, Door>> = {
  'chat completions': {
    seeds: [CHAT, PLAIN_REQUESTS.chat],
    options: { client: 'chat' },
    parse: parseChatRequest,
  },
  messages: {
    seeds: Object.values(RICH_REQUESTS.messages),
    options: { client: 'messages' },
    parse: parseMessagesRequest,
  },
  generateContent: {
    seeds: Object.values(RICH_REQUESTS.gemini),
    options: { client: 'gemini' },
    parse: (body) => parseGeminiRequest(body, address),
  },
  responses: {
    seeds: Object.values(RICH_REQUESTS.responses),
    options: { client: 'responses' },
    parse: parseResponsesRequest,
  },
  embeddings: {
    seeds: [{ model: 'asked', input: ['a', 'b'], encoding_format: 'base64', dimensions: 3 }],
    options: { client: 'chat', operation: 'embed' },
    parse: parseEmbeddingsRequest,
  },
  batchEmbedContents: {
    seeds: [{ requests: [CONTENTS, CONTENTS] }],
    options: { client: 'gemini', operation: 'embed' },
    parse: (body) => parseEmbedContentRequest(body, { model: 'asked', batch: true }),
  },
  count_tokens: {
    seeds: Object.values(RICH_REQUESTS.messages),
    options: { client: 'messages', operation: 'count-tokens' },
    parse: parseMessagesCountRequest,
  },
  countTokens: {
    seeds: Object.values(RICH_REQUESTS.gemini).flatMap((request) => [
      request,
      { generateContentRequest: { model: 'models/asked', ...request } },
    ]),
    options: { client: 'gemini', operation: 'count-tokens' },
    parse: (body) => parseGeminiCountRequest(body, { model: 'asked' }),
  },
};

const REFUSED_OR_NOT = ['none', 'invalid_request'];

describe.each(Object.entries(DOORS))('a request of %s', (_name, { seeds, options, parse }) => {
  test('is taken as it is', () => {
    for (const seed of seeds) expect(codeOf(() => parse(encode(seed)))).toBe('none');
  });

  test('is read or refused, whatever is changed in it', () => {
    const providers = PAIRS.filter(([client]) => client === options.client);
    fc.assert(
      fc.property(fc.constantFrom(...seeds), changes, fc.boolean(), (seed, made, stream) => {
        const body = encode(changed(seed, made));
        const read = codeOf(() => parse(body));
        expect(REFUSED_OR_NOT).toContain(read);
        if (read !== 'none') return;
        for (const [, provider] of providers) {
          const open = () =>
            openExchange({ ...options, provider, body, model: 'm', stream, includeUsage: true });
          expect(REFUSED_OR_NOT).toContain(codeOf(open));
        }
      }),
      { numRuns: ROUNDS },
    );
  });
});

const KNOWN = /^(?:none|provider_\w+|content_filtered|stream_interrupted)$/;

describe.each(PAIRS)('a client of %s and a provider of %s', (client, provider) => {
  const open = (stream: boolean) =>
    openExchange({
      client,
      provider,
      body: encode(PLAIN_REQUESTS[client]),
      model: 'm',
      stream,
      includeUsage: true,
    });

  test('meet any changed answer with an answer or an error', () => {
    fc.assert(
      fc.property(changes, (made) => {
        const body = encode(changed(ANSWERS[provider].whole, made));
        expect(codeOf(() => open(false).answer(body))).toMatch(KNOWN);
      }),
      { numRuns: ROUNDS },
    );
  });

  test('meet any changed stream with a whole answer or an error', () => {
    fc.assert(
      fc.property(changes, (made) => {
        const events = changed(ANSWERS[provider].events, made);
        const text = streamOf(provider, Array.isArray(events) ? events : [events as object]);
        const stream = open(true).stream();
        const code = codeOf(() => {
          stream.push(new TextEncoder().encode(text));
          stream.end();
        });
        expect(code).toMatch(KNOWN);
        if (code === 'none') expect(stream.complete).toBe(true);
      }),
      { numRuns: ROUNDS },
    );
  });

  test('meet events in any order, left out or twice, with a whole answer or an error', () => {
    const { events } = ANSWERS[provider];
    const at = fc.nat({ max: events.length - 1 });
    fc.assert(
      fc.property(fc.array(at, { maxLength: 2 * events.length }), (order) => {
        const text = streamOf(
          provider,
          order.map((index) => events[index] ?? {}),
        );
        const stream = open(true).stream();
        const code = codeOf(() => {
          stream.push(new TextEncoder().encode(text));
          stream.end();
        });
        expect(code).toMatch(KNOWN);
        if (code === 'none') expect(stream.complete).toBe(true);
      }),
      { numRuns: ROUNDS },
    );
  });
});
