import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  type Exchange,
  openExchange,
  type ProviderDialect,
  parseResponsesRequest,
} from '../src/index.ts';
import { type RecordedCase, recordedCases } from './recorded-case.ts';
import { type ResponsesAnswer, readResponseBody, readResponseEvents } from './responses-answer.ts';

const directory = fixturesDirectory();
const passing = directory === undefined ? [] : recordedCases(directory, { responses: 'responses' });
const translated = directory === undefined ? [] : recordedCases(directory);

/** Cases whose answer is none for this client; each is an error with a reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'anthropic/messages.edge-handmade.02': 'the answer begins again, which no stream can take back',
  'google/streamGenerateContent.thinking.02': 'asked for arguments in pieces, which we never do',
  'google/streamGenerateContent.parallel-tools.02': 'asked for arguments in pieces, as well',
  'vertex/streamGenerateContent.partial-args.01': 'asked for arguments in pieces, as well',
  'google/streamGenerateContent.json-array-stream.01': 'asked without alt=sse, which we never do',
};

function openFor(provider: ProviderDialect, stream: boolean, store = false): Exchange {
  const request = { model: 'asked', input: 'Hello', stream, store, unknown: [1] };
  return openExchange({
    client: 'responses',
    provider,
    body: new TextEncoder().encode(JSON.stringify(request)),
    model: 'model-of-provider',
    stream,
    includeUsage: true,
    state: { key: 'k'.repeat(64), provider: 'openai' },
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

function jsonOrText(text: string | undefined): unknown {
  if (text === '') return {};
  try {
    return JSON.parse(text ?? '');
  } catch {
    return text;
  }
}

function expectCalls(answer: ResponsesAnswer, { facts }: RecordedCase): void {
  expect(answer.toolCalls.map(({ name }) => name)).toEqual(
    facts.tool_calls.map(({ name }) => name),
  );
  for (const [index, { id, args }] of facts.tool_calls.entries()) {
    if (id) expect(answer.toolCalls[index]?.id).toBe(id);
    expect(jsonOrText(answer.toolCalls[index]?.arguments)).toEqual(jsonOrText(args));
  }
}

const INCOMPLETE: Readonly<Record<string, string>> = {
  length: 'max_output_tokens',
  max_tokens: 'max_output_tokens',
  MAX_TOKENS: 'max_output_tokens',
  content_filter: 'content_filter',
  refusal: 'content_filter',
  SAFETY: 'content_filter',
};

function expectTranslated(answer: ResponsesAnswer, one: RecordedCase): void {
  const { facts } = one;
  expect(answer.text).toBe(facts.text[0] ?? '');
  expect(answer.reasoning).toBe(facts.reasoning);
  if (one.dialect === 'chat') expect(answer.refusal).toBe(facts.refusal ?? '');
  expectCalls(answer, one);
  const reason = INCOMPLETE[facts.finish[0] ?? ''];
  expect(answer.incompleteReason).toBe(reason);
  expect(answer.status).toBe(reason === undefined ? 'completed' : 'incomplete');
}

function expectUsage({ facts }: Exchange, { usage }: ResponsesAnswer): void {
  expect(usage && [usage.input_tokens, usage.output_tokens, usage.total_tokens]).toEqual(
    facts.usage && [
      facts.usage.inputTokens,
      facts.usage.outputTokens,
      facts.usage.inputTokens + facts.usage.outputTokens,
    ],
  );
}

function thrownBy(action: () => unknown): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error;
  }
}

const named = (cases: readonly RecordedCase[]) => cases.map((one) => [one.id, one] as const);
const isAnswer = ({ id, status, facts }: RecordedCase) =>
  status === 200 && !facts.error && !(id in EXCEPTIONS);

describe.skipIf(directory === undefined)(
  directory === undefined ? fixturesMissingMessage : 'recorded responses',
  () => {
    const answers = passing.filter(isAnswer);

    test('the recordings are there', () => {
      expect(answers.length).toBeGreaterThan(20);
    });

    test.each(named(answers.filter(({ isStream }) => !isStream)))('%s passes', (_id, one) => {
      const exchange = openFor('responses', false);
      const body = exchange.answer(one.body);
      expect(Buffer.compare(body, one.body)).toBe(0);
      const answer = readResponseBody(body);
      expect([answer.text]).toEqual(one.facts.text);
      expectCalls(answer, one);
      expect([answer.status]).toEqual(one.facts.finish);
      expectUsage(exchange, answer);
      expect(exchange.facts.usage?.inputTokens).toBe(one.facts.usage?.input_tokens);
      const reason = one.facts.tool_calls.length > 0 ? 'tool_calls' : 'stop';
      expect(exchange.facts.finishReasons).toEqual([reason]);
    });

    test.each(named(answers.filter(({ isStream }) => isStream)))(
      '%s passes however it is split',
      (_id, one) => {
        for (const pieceBytes of [one.body.length, 7, 1]) {
          const exchange = openFor('responses', true);
          const body = play(exchange, one.body, pieceBytes);
          expect(Buffer.compare(body, one.body)).toBe(0);
          const answer = readResponseEvents(body);
          expect([answer.text]).toEqual(one.facts.text);
          expectCalls(answer, one);
          expectUsage(exchange, answer);
        }
      },
    );

    test.each(named(answers))(
      '%s has our id, and else its own bytes, when it is kept',
      (_id, one) => {
        const exchange = openFor('responses', one.isStream, true);
        const body = one.isStream ? play(exchange, one.body, 7) : exchange.answer(one.body);
        const [sent, got] = [one.body, body].map((bytes) => new TextDecoder().decode(bytes));
        const ours = /"id":\s*"(resp_[\w-]{60,})"/.exec(got ?? '')?.[1] ?? 'none';
        const theirs = exchange.facts.responseId ?? '';
        expect(theirs).not.toBe('');
        expect(got?.replaceAll(ours, theirs)).toBe(sent);
      },
    );

    test.each(named(answers.filter(({ isStream }) => isStream)))(
      '%s is an error when it is cut before its last event',
      (_id, one) => {
        const text = new TextDecoder().decode(one.body);
        const cut = text.slice(0, text.lastIndexOf('"response.completed"'));
        const thrown = thrownBy(() => play(openFor('responses', true), Buffer.from(cut), 512));
        expect(thrown).toMatchObject({ code: 'stream_interrupted' });
      },
    );

    const codes: Readonly<Record<string, string>> = {
      'openai/responses.error-midstream.01': 'provider_quota_exhausted',
      'openai/responses.error.01': 'provider_auth_failed',
      'openai/responses.error.02': 'provider_rejected',
      'xai/responses.error.01': 'provider_rejected',
    };

    test.each(named(passing.filter((one) => !isAnswer(one))))('%s is an error', (id, one) => {
      const exchange = openFor('responses', one.isStream);
      const error = one.isStream
        ? thrownBy(() => play(exchange, one.body, 7))
        : exchange.error(one.status, one.headers, one.body);
      expect(error).toMatchObject({ code: codes[id] });
    });
  },
);

describe.skipIf(directory === undefined)('recorded answers to a client of responses', () => {
  const answers = translated.filter(isAnswer);

  test.each(named(answers.filter(({ isStream }) => !isStream)))(
    '%s reaches the client',
    (_id, one) => {
      const exchange = openFor(one.dialect, false);
      const answer = readResponseBody(exchange.answer(one.body));
      expectTranslated(answer, one);
      expectUsage(exchange, answer);
    },
  );

  test.each(named(answers.filter(({ isStream }) => isStream)))(
    '%s reaches the client however it is split',
    (_id, one) => {
      for (const pieceBytes of [one.body.length, 7, 1]) {
        const exchange = openFor(one.dialect, true);
        const answer = readResponseEvents(play(exchange, one.body, pieceBytes));
        expectTranslated(answer, one);
        expectUsage(exchange, answer);
      }
    },
  );
});

describe.skipIf(directory === undefined)('recorded requests of responses', () => {
  test.each(named(passing.filter(({ request }) => request)))('%s is accepted', (_id, one) => {
    const body = one.request ?? new Uint8Array();
    const facts = parseResponsesRequest(body);
    expect(facts.parsed).toEqual(JSON.parse(new TextDecoder().decode(body)));
  });

  const folder = join(directory ?? '', 'clients');
  const captured =
    directory === undefined
      ? []
      : readdirSync(folder)
          .map((name) => [name, JSON.parse(readFileSync(join(folder, name), 'utf8'))] as const)
          .filter(([, { url }]) => url === '/v1/responses');

  test.each(captured)('%s passes but for its model, and is translated', (_name, { body }) => {
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    const { stream } = parseResponsesRequest(bytes);
    const common = { client: 'responses', body: bytes, model: 'other', stream } as const;
    const passed = openExchange({ ...common, provider: 'responses', includeUsage: true });
    expect(JSON.parse(new TextDecoder().decode(passed.request.body))).toEqual({
      ...body,
      model: 'other',
    });
    for (const provider of ['chat', 'messages', 'gemini'] as const) {
      const exchange = openExchange({ ...common, provider, includeUsage: true });
      const sent = new TextDecoder().decode(exchange.request.body);
      const said = typeof body.input === 'string' ? body.input : body.input.at(-1).content;
      const text = typeof said === 'string' ? said : said.at(-1).text;
      expect(sent).toContain(JSON.stringify(text).slice(1, -1));
    }
  });
});
