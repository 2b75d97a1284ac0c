import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { type Exchange, openExchange, parseGeminiRequest } from '../src/index.ts';
import { type GeminiClientAnswer, readGeminiBody, readGeminiEvents } from './gemini-answer.ts';
import { type RecordedCase, recordedCases } from './recorded-case.ts';

const directory = fixturesDirectory();
const cases = directory === undefined ? [] : recordedCases(directory);

/** Cases whose answer is none for this client; each is an error with a reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'anthropic/messages.edge-handmade.02': 'the answer begins again, which no stream can take back',
  'google/streamGenerateContent.json-array-stream.01': 'asked without alt=sse, which we never do',
};

const FINISH: Readonly<Record<string, string>> = {
  length: 'MAX_TOKENS',
  max_tokens: 'MAX_TOKENS',
  content_filter: 'SAFETY',
  refusal: 'SAFETY',
};

function open({ dialect, isStream }: RecordedCase, arrayStream = false): Exchange {
  const request = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }], unknownField: [1] };
  return openExchange({
    client: 'gemini',
    provider: dialect,
    body: new TextEncoder().encode(JSON.stringify(request)),
    model: 'model-of-provider',
    stream: isStream,
    includeUsage: true,
    arrayStream,
  });
}

function play(exchange: Exchange, body: Uint8Array, pieceBytes: number): Uint8Array {
  const stream = exchange.stream();
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += pieceBytes) {
    pieces.push(stream.push(body.subarray(at, at + pieceBytes)));
  }
  return Buffer.concat([...pieces, stream.end()]);
}

function jsonOf(text: string): unknown {
  return text === '' ? {} : JSON.parse(text);
}

function expectFacts(answer: GeminiClientAnswer, { facts, dialect }: RecordedCase): void {
  const passes = dialect === 'gemini';
  const refusal = passes ? '' : (facts.refusal ?? '');
  const text = facts.text.join('') + refusal;
  // Anthropic explains a refusal, which is text of the answer here.
  if (facts.finish.includes('refusal')) expect(answer.texts.join('').startsWith(text)).toBe(true);
  else expect(answer.texts.join('')).toBe(text);
  expect(answer.reasoning).toBe(facts.reasoning);
  // A call whose arguments were cut at the length limit is none.
  const expected = facts.tool_calls.filter(({ args }) => passes || isJson(args));
  if (!passes) {
    expect(answer.calls.map(({ name }) => name)).toEqual(expected.map(({ name }) => name));
    for (const [index, { id, args }] of expected.entries()) {
      expect(answer.calls[index]?.args).toEqual(jsonOf(args));
      if (id) expect(answer.calls[index]?.id).toBe(id);
    }
  }
  if (facts.finish.length === 0) return;
  const finish = facts.finish.map((reason) => (passes ? reason : (FINISH[reason] ?? 'STOP')));
  expect(answer.finishReasons).toEqual(finish);
}

function isJson(text: string): boolean {
  try {
    jsonOf(text);
    return true;
  } catch {
    return false;
  }
}

/** Google's own arithmetic: the total is the prompt, the candidates and the thoughts. */
function expectUsage(exchange: Exchange, { usage }: GeminiClientAnswer): void {
  const counted = exchange.facts.usage;
  if (counted === undefined) {
    expect(usage?.promptTokenCount).toBeUndefined();
    return;
  }
  const count = (name: string) => Number(usage?.[name] ?? 0);
  const output = count('candidatesTokenCount') + count('thoughtsTokenCount');
  expect(output).toBe(counted.outputTokens);
  expect(count('thoughtsTokenCount')).toBe(counted.reasoningTokens);
  expect(count('totalTokenCount')).toBe(counted.inputTokens + counted.outputTokens);
}

const answered = cases.filter(
  ({ id, status, facts }) => status === 200 && !facts.error && !(id in EXCEPTIONS),
);
const wholes = answered.filter(({ isStream }) => !isStream);
const streams = answered.filter(({ isStream }) => isStream);

describe.skipIf(directory === undefined)(
  directory === undefined ? fixturesMissingMessage : 'recorded answers to a client of Google',
  () => {
    test.each(wholes.map((one) => [one.id, one] as const))('%s reaches the client', (_id, one) => {
      const exchange = open(one);
      const body = exchange.answer(one.body);
      if (one.dialect === 'gemini') expect(Buffer.compare(body, one.body)).toBe(0);
      const answer = readGeminiBody(body);
      expectFacts(answer, one);
      expectUsage(exchange, answer);
    });

    test.each(streams.map((one) => [one.id, one] as const))(
      '%s reaches the client however it is split, as events and as an array',
      (_id, one) => {
        for (const pieceBytes of [one.body.length, 7, 1]) {
          const exchange = open(one);
          const body = play(exchange, one.body, pieceBytes);
          const answer = readGeminiEvents(body);
          expectFacts(answer, one);
          expectUsage(exchange, answer);
          if (one.dialect === 'gemini') expect(Buffer.compare(body, one.body)).toBe(0);
          else expect(body.toString()).not.toMatch(/[^\r]\n/);
          const array = open(one, true);
          expect(array.contentType).toBe('application/json');
          const listed = readGeminiBody(play(array, one.body, pieceBytes));
          expectFacts(listed, one);
          expect(listed.answers).toHaveLength(answer.answers.length);
        }
      },
    );

    test.each(Object.entries(EXCEPTIONS))('%s is an error: %s', (id) => {
      const one = cases.find((candidate) => candidate.id === id);
      if (one === undefined) throw new Error('There is no such case.');
      const act = () => (one.isStream ? play(open(one), one.body, 7) : open(one).answer(one.body));
      expect(act).toThrowError(expect.objectContaining({ code: 'provider_bad_response' }));
    });

    test('requests of unmodified clients are accepted', () => {
      const folder = join(directory ?? '', 'clients');
      const captured = readdirSync(folder)
        .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
        .filter(({ url }) => /enerateContent/.test(url ?? ''));
      expect(captured.length).toBeGreaterThanOrEqual(3);
      for (const { body } of captured) {
        const bytes = new TextEncoder().encode(JSON.stringify(body));
        expect(parseGeminiRequest(bytes, { model: 'gemini-x', stream: true }).model).toBe(
          'gemini-x',
        );
      }
    });

    const requests = cases.filter(({ dialect, request }) => dialect === 'gemini' && request);

    test.each(requests.map((one) => [one.id, one] as const))(
      'the request of %s is accepted and passes byte for byte',
      (_id, one) => {
        const body = one.request ?? new Uint8Array();
        parseGeminiRequest(body, { model: 'gemini-2.5-flash', stream: one.isStream });
        const exchange = openExchange({
          client: 'gemini',
          provider: 'gemini',
          body,
          model: 'gemini-2.5-flash',
          stream: one.isStream,
          includeUsage: true,
        });
        expect(Buffer.compare(exchange.request.body, body)).toBe(0);
      },
    );

    /** What only Google has: its own tools, its cache, media that other vendors do not take. */
    const OWN: Readonly<Record<string, string>> = {
      'google/generateContent.audio.01': 'input_audio',
      'google/generateContent.cache-hit.01': 'cachedContent',
      'google/generateContent.grounding.01': 'googleSearch',
      'google/generateContent.unicode.01': 'mcpServers',
      'google/streamGenerateContent.grounding.01': 'fileSearch',
      'google/streamGenerateContent.unicode.01': 'mcpServers',
    };

    test.each(requests.map((one) => [one.id, one] as const))(
      'the request of %s is translated, or refused by name',
      (id, one) => {
        for (const provider of ['chat', 'messages'] as const) {
          const translate = () =>
            openExchange({
              client: 'gemini',
              provider,
              body: one.request ?? new Uint8Array(),
              model: 'other',
              stream: one.isStream,
              includeUsage: true,
            });
          const own = id in OWN && !(provider === 'chat' && OWN[id] === 'input_audio');
          if (own) {
            const code = 'invalid_request';
            expect(translate).toThrowError(expect.objectContaining({ code }));
          } else {
            const { request } = translate();
            expect(JSON.parse(new TextDecoder().decode(request.body)).model).toBe('other');
          }
        }
      },
    );
  },
);
