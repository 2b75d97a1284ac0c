/** What we send to OpenAI and what OpenAI's clients get from us, by OpenAI's own specification. */
import { type ClientDialect, GatewayError, type Operation } from '@gateway/protocol';
import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { type HubDialect, openExchange, type ProviderDialect } from '../src/index.ts';
import { capturedRequests } from './captured-requests.ts';
import { openaiSpecification } from './openai-specification.ts';
import { type RecordedCase, recordedCases } from './recorded-case.ts';
import { RICH_REQUESTS } from './rich-requests.ts';

const directory = fixturesDirectory();
/** Where OpenAI answers 400 for a name that it does not know. */
const closed = [
  'CreateChatCompletionRequest',
  'ChatCompletionRequestSystemMessage',
  'ChatCompletionRequestDeveloperMessage',
  'ChatCompletionRequestUserMessage',
  'ChatCompletionRequestAssistantMessage',
  'ChatCompletionRequestToolMessage',
  'ChatCompletionRequestMessageContentPartText',
  'ChatCompletionRequestMessageContentPartImage',
  'ChatCompletionRequestMessageContentPartFile',
  'ChatCompletionMessageToolCall',
  'ChatCompletionTool',
  'FunctionObject',
  'CreateEmbeddingRequest',
];
const published = openaiSpecification(directory);
const strict = openaiSpecification(directory, { closed });
const relaxed = openaiSpecification(directory, { relaxed: true });

/** Recorded answers that no client can be given: see the replay. */
const UNREADABLE = [
  'anthropic/messages.edge-handmade.02',
  'google/streamGenerateContent.thinking.02',
  'google/streamGenerateContent.parallel-tools.02',
  'vertex/streamGenerateContent.partial-args.01',
  'google/streamGenerateContent.json-array-stream.01',
];
/** An older, a reasoning and a newer model: parameters are named by them. */
const MODELS = ['gpt-4o', 'o3', 'gpt-5.6'];

const recorded = directory === undefined ? [] : recordedCases(directory);
const answered = recorded.filter(
  ({ id, status, facts }) => status === 200 && !facts.error && !UNREADABLE.includes(id),
);
const captured = directory === undefined ? [] : capturedRequests(directory);

function jsonOf(bytes: Uint8Array) {
  return JSON.parse(new TextDecoder().decode(bytes));
}

function bytesOf(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

interface Sent {
  readonly client: ClientDialect;
  readonly provider?: ProviderDialect;
  readonly operation?: Operation;
  readonly body: Uint8Array;
  readonly model?: string;
  readonly stream?: boolean;
}

function open({ client, provider = 'chat', operation, body, model, stream = false }: Sent) {
  return openExchange({
    client,
    provider,
    operation,
    body,
    model: model ?? 'gpt-5.6',
    stream,
    includeUsage: true,
  });
}

/** The request as it is sent, or the name of the parameter that was refused. */
function sentOrRefused(sent: Sent): { sent: unknown } | { refused: string } {
  try {
    return { sent: jsonOf(open(sent).request.body) };
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'invalid_request') throw error;
    return { refused: error.facts.param ?? '' };
  }
}

const PATHS: Readonly<Record<string, RegExp>> = {
  messages: /^\/v1\/messages$/,
  gemini: /enerateContent/,
  responses: /^\/v1\/responses$/,
};

/** Every request that we have of a client: recorded at the vendor, captured, and our own. */
function requestsOf(client: 'messages' | 'gemini' | 'responses'): [string, Uint8Array][] {
  const fromVendor = (client === 'responses' ? [] : recorded).flatMap(({ id, dialect, request }) =>
    dialect === client && request !== undefined ? [[id, request] as [string, Uint8Array]] : [],
  );
  const fromClients = captured
    .filter(({ url }) => PATHS[client]?.test(url))
    .map(({ name, body }): [string, Uint8Array] => [name, body]);
  const own = Object.entries(RICH_REQUESTS[client]).map(([name, request]): [string, Uint8Array] => [
    name,
    bytesOf(request),
  ]);
  return [...fromVendor, ...fromClients, ...own];
}

describe.skipIf(published === undefined)(
  published === undefined ? fixturesMissingMessage : "OpenAI's specification of what is sent",
  () => {
    test('finds fault with a request that lacks something or says too much', () => {
      const message = { role: 'user', content: 'a' };
      const problems = (value: object) => strict?.problems('CreateChatCompletionRequest', value);
      expect(problems({ model: 'm', messages: [message] })).toEqual([]);
      expect(problems({ messages: [message] })).not.toEqual([]);
      expect(problems({ model: 'm', messages: [message], top_k: 1 })).not.toEqual([]);
      const marked = { ...message, cache_control: { type: 'ephemeral' } };
      expect(problems({ model: 'm', messages: [marked] })).not.toEqual([]);
    });

    test.each((['messages', 'gemini', 'responses'] as const).map((client) => [client]))(
      'takes what becomes of every request of %s',
      (client) => {
        const requests = requestsOf(client);
        const taken = requests.filter(([id, body]) => {
          const outcomes = MODELS.flatMap((model) =>
            [false, true].map((stream) => sentOrRefused({ client, body, model, stream })),
          );
          for (const outcome of outcomes) {
            if ('refused' in outcome) {
              expect([id, outcome.refused]).not.toEqual([id, '']);
              continue;
            }
            const problems = strict?.problems('CreateChatCompletionRequest', outcome.sent);
            expect([id, problems]).toEqual([id, []]);
          }
          return outcomes.every((outcome) => 'sent' in outcome);
        });
        expect(requests.length).toBeGreaterThan(8);
        expect(taken.length / requests.length).toBeGreaterThan(0.7);
      },
    );

    test('takes the chat completions that pass', () => {
      const passed = [
        ...captured
          .filter(({ url }) => url === '/v1/chat/completions')
          .map(({ name, body }) => [name, body] as const),
        ...recorded
          .filter(({ id, status }) => id.startsWith('openai/chat') && status === 200)
          .flatMap(({ id, request }) => (request === undefined ? [] : [[id, request] as const])),
      ];
      expect(passed.length).toBeGreaterThan(30);
      for (const [id, body] of passed) {
        const { stream } = jsonOf(body);
        const { request } = open({ client: 'chat', body, stream: stream === true });
        const problems = published?.problems('CreateChatCompletionRequest', jsonOf(request.body));
        expect([id, problems]).toEqual([id, []]);
      }
    });

    test('takes the responses that pass', () => {
      const passed = captured.filter(({ url }) => url === '/v1/responses');
      expect(passed.length).toBeGreaterThan(5);
      for (const { name, body } of passed) {
        const { request } = open({ client: 'responses', provider: 'responses', body });
        const problems = relaxed?.problems('CreateResponse', jsonOf(request.body));
        expect([name, problems]).toEqual([name, []]);
      }
    });

    test('takes the calls for embeddings, passed and of clients of Google', () => {
      const content = (text: string) => ({ content: { parts: [{ text }] } });
      const calls: [string, Sent][] = [
        ...captured
          .filter(({ url }) => url === '/v1/embeddings')
          .map(({ name, body }): [string, Sent] => [name, { client: 'chat', body }]),
        ['one', { client: 'gemini', body: bytesOf(content('a')) }],
        ['batch', { client: 'gemini', body: bytesOf({ requests: [content('a'), content('b')] }) }],
        [
          'sized',
          { client: 'gemini', body: bytesOf({ ...content('a'), outputDimensionality: 8 }) },
        ],
      ];
      expect(calls.length).toBeGreaterThan(5);
      for (const [name, call] of calls) {
        const { request } = open({ ...call, operation: 'embed' });
        const problems = strict?.problems('CreateEmbeddingRequest', jsonOf(request.body));
        expect([name, problems]).toEqual([name, []]);
      }
    });
  },
);

const REQUEST = { model: 'asked', messages: [{ role: 'user', content: 'Hello' }] };

function ask(provider: HubDialect, stream: boolean) {
  return open({ client: 'chat', provider, body: bytesOf({ ...REQUEST, stream }), stream });
}

function chunksOf({ dialect, body }: RecordedCase): unknown[] {
  const stream = ask(dialect as HubDialect, true).stream();
  const text = Buffer.concat([stream.push(body), stream.end()]).toString();
  const events = text.split('\n\n').filter((event) => event !== '');
  expect(events.at(-1)).toBe('data: [DONE]');
  return events.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)));
}

describe.skipIf(published === undefined)(
  published === undefined ? fixturesMissingMessage : "OpenAI's specification of what is answered",
  () => {
    test('finds fault with an answer that lacks something', () => {
      const empty = { id: 'a', object: 'chat.completion' };
      expect(published?.problems('CreateChatCompletionResponse', empty)).not.toEqual([]);
      const chunk = { id: 'a', object: 'chat.completion.chunk', choices: [{}] };
      expect(published?.problems('CreateChatCompletionStreamResponse', chunk)).not.toEqual([]);
    });

    test.each((['messages', 'gemini'] as const).map((dialect) => [dialect]))(
      'takes every chat completion that was made of recorded answers of %s',
      (dialect) => {
        const wholes = answered.filter((one) => one.dialect === dialect && !one.isStream);
        expect(wholes.length).toBeGreaterThan(15);
        for (const { id, body } of wholes) {
          const answer = jsonOf(ask(dialect, false).answer(body));
          const problems = published?.problems('CreateChatCompletionResponse', answer);
          expect([id, problems]).toEqual([id, []]);
        }
      },
    );

    test.each((['messages', 'gemini'] as const).map((dialect) => [dialect]))(
      'takes every chunk that was made of recorded streams of %s',
      (dialect) => {
        const streams = answered.filter((one) => one.dialect === dialect && one.isStream);
        expect(streams.length).toBeGreaterThan(5);
        for (const one of streams) {
          const problems = chunksOf(one).flatMap(
            (chunk) =>
              published?.problems('CreateChatCompletionStreamResponse', chunk) ?? ['absent'],
          );
          expect([one.id, ...problems]).toEqual([one.id]);
        }
      },
    );

    test.each(['float', 'base64'])('takes embeddings of Google in %s', (format) => {
      const body = bytesOf({ model: 'm', input: ['a', 'b'], encoding_format: format });
      const exchange = open({ client: 'chat', provider: 'gemini', operation: 'embed', body });
      const embeddings = [{ values: [0.5, 1] }, { values: [0.25, -1] }];
      const answer = jsonOf(exchange.answer(bytesOf({ embeddings })));
      const judge = format === 'base64' ? relaxed : published;
      expect(judge?.problems('CreateEmbeddingResponse', answer)).toEqual([]);
    });
  },
);
