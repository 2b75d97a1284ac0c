import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '@gateway/protocol';
import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { type Exchange, openExchange, parseMessagesRequest } from '../src/index.ts';
import { type MessagesAnswer, readStreamedMessage, readWholeMessage } from './messages-answer.ts';
import { type RecordedCase, recordedCases } from './recorded-case.ts';

const directory = fixturesDirectory();
const cases = directory === undefined ? [] : recordedCases(directory);

/** Cases whose answer is not an answer to this client; each is an error with a reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'google/streamGenerateContent.thinking.02': 'asked for arguments in pieces, which we never do',
  'google/streamGenerateContent.parallel-tools.02': 'asked for arguments in pieces, as well',
  'vertex/streamGenerateContent.partial-args.01': 'asked for arguments in pieces, as well',
  'google/streamGenerateContent.json-array-stream.01': 'asked without alt=sse, which we never do',
};

/** Cases with more than one choice: a message has one. */
const isOne = ({ facts }: RecordedCase) => facts.finish.length <= 1 && facts.text.length <= 1;

const STOP_REASONS: Readonly<Record<string, string>> = {
  stop: 'end_turn',
  STOP: 'end_turn',
  length: 'max_tokens',
  MAX_TOKENS: 'max_tokens',
  tool_calls: 'tool_use',
  function_call: 'tool_use',
  UNEXPECTED_TOOL_CALL: 'tool_use',
  content_filter: 'refusal',
  SAFETY: 'refusal',
};

function open({ dialect, isStream }: RecordedCase, headers?: object): Exchange {
  const request = {
    model: 'asked',
    max_tokens: 100,
    messages: [{ role: 'user', content: 'Hello' }],
    stream: isStream,
  };
  return openExchange({
    client: 'messages',
    provider: dialect,
    body: new TextEncoder().encode(JSON.stringify(request)),
    model: 'model-of-provider',
    stream: isStream,
    includeUsage: true,
    headers,
  });
}

function play(exchange: Exchange, body: Uint8Array, pieceBytes: number): Uint8Array {
  const stream = exchange.stream();
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += pieceBytes) {
    pieces.push(stream.push(body.subarray(at, at + pieceBytes)));
  }
  pieces.push(stream.end());
  return Buffer.concat(pieces);
}

function expectFacts(answer: MessagesAnswer, { facts, dialect }: RecordedCase): void {
  const refusal = dialect === 'messages' ? '' : (facts.refusal ?? '');
  expect(answer.text).toBe(facts.text.join('') + refusal);
  expect(answer.thinking).toBe(facts.reasoning);
  expect(answer.toolCalls.map(({ name }) => name)).toEqual(
    facts.tool_calls.map(({ name }) => name),
  );
  for (const [index, { id, args }] of facts.tool_calls.entries()) {
    if (id) expect(answer.toolCalls[index]?.id).toBe(id);
    expect(answer.toolCalls[index]?.input).toEqual(JSON.parse(args === '' ? '{}' : args));
  }
  const reason = facts.finish[0] ?? '';
  if (dialect === 'messages') expect(answer.stopReason).toBe(reason);
  else if (refusal !== '') expect(answer.stopReason).toBe('refusal');
  else if (facts.tool_calls.length > 0) expect(answer.stopReason).toBe('tool_use');
  else expect(answer.stopReason).toBe(STOP_REASONS[reason]);
}

/** Anthropic's usage is Anthropic's own; others' sums come back in its definition. */
function expectUsage(exchange: Exchange, answer: MessagesAnswer, recorded: RecordedCase): void {
  const { usage } = recorded.facts;
  if (usage === null) return;
  const of = (name: string) => Number(answer.usage[name] ?? 0);
  const input =
    of('input_tokens') + of('cache_creation_input_tokens') + of('cache_read_input_tokens');
  expect(exchange.facts.usage?.inputTokens).toBe(input);
  expect(exchange.facts.usage?.outputTokens).toBe(of('output_tokens'));
  const said = (...names: string[]) =>
    names.reduce((sum, name) => sum + Number(usage[name] ?? 0), 0);
  if (recorded.dialect === 'chat') {
    expect([input, input + of('output_tokens')]).toEqual([
      said('prompt_tokens'),
      said('total_tokens'),
    ]);
  } else if (recorded.dialect === 'gemini') {
    expect(input).toBe(said('promptTokenCount', 'toolUsePromptTokenCount'));
    expect(input + of('output_tokens')).toBe(said('totalTokenCount'));
  } else {
    for (const name of ['input_tokens', 'output_tokens', 'cache_read_input_tokens']) {
      expect(of(name)).toBe(said(name));
    }
  }
}

const answered = cases.filter(
  (one) => one.status === 200 && !one.facts.error && !(one.id in EXCEPTIONS) && isOne(one),
);
const named = (some: readonly RecordedCase[]) => some.map((one) => [one.id, one] as const);

describe.skipIf(directory === undefined)(
  directory === undefined ? fixturesMissingMessage : 'recorded answers to a client of Messages',
  () => {
    test('hold every dialect of providers', () => {
      expect(cases.filter(({ id }) => id in EXCEPTIONS)).toHaveLength(
        Object.keys(EXCEPTIONS).length,
      );
      expect(answered.length).toBeGreaterThan(100);
      for (const dialect of ['chat', 'messages', 'gemini']) {
        expect(answered.filter((one) => one.dialect === dialect).length).toBeGreaterThan(20);
      }
    });

    const wholes = answered.filter(({ isStream }) => !isStream);
    test.each(named(wholes))('%s reaches the client', (_id, one) => {
      const exchange = open(one);
      const body = exchange.answer(one.body);
      if (one.dialect === 'messages') expect(body).toBe(one.body);
      const answer = readWholeMessage(body);
      expectFacts(answer, one);
      expectUsage(exchange, answer, one);
    });

    const streams = answered.filter(({ isStream }) => isStream);
    const crosswise = streams.filter(({ dialect }) => dialect !== 'messages');
    test.each(named(crosswise))('%s reaches the client however it is split', (_id, one) => {
      for (const pieceBytes of [one.body.length, 7, 1]) {
        const exchange = open(one);
        const answer = readStreamedMessage(play(exchange, one.body, pieceBytes));
        expectFacts(answer, one);
        expectUsage(exchange, answer, one);
        expect(answer.done).toBe(true);
      }
    });

    const passing = streams.filter(({ dialect }) => dialect === 'messages');
    test.each(named(passing))('%s passes byte for byte, and is read', (_id, one) => {
      for (const pieceBytes of [one.body.length, 7, 1]) {
        const exchange = open(one);
        const stream = Buffer.from(play(exchange, one.body, pieceBytes)).toString();
        expect(stream.trimEnd()).toBe(new TextDecoder().decode(one.body).trimEnd());
        const usage = one.facts.usage ?? {};
        expect(exchange.facts.usage?.outputTokens).toBe(usage.output_tokens);
        expect(exchange.facts.finishReasons).toHaveLength(1);
        const said = one.facts.text.join('') + one.facts.reasoning;
        expect(exchange.facts.outputCharacters).toBeGreaterThanOrEqual(said.length);
      }
    });

    const excepted = cases.filter(({ id }) => id in EXCEPTIONS);
    test.each(named(excepted))('%s is an error', (_id, one) => {
      const action = () =>
        one.isStream ? play(open(one), one.body, 7) : open(one).answer(one.body);
      expect(action).toThrow(expect.objectContaining({ code: 'provider_bad_response' }));
    });

    const broken = cases.filter(({ status, facts }) => status === 200 && facts.error);
    test.each(named(broken))('%s says the error that came in its stream', (_id, one) => {
      expect(() => play(open(one), one.body, 7)).toThrow(GatewayError);
    });
  },
);

describe.skipIf(directory === undefined)('recorded requests of the Messages API', () => {
  const requests = cases.filter(({ dialect, request }) => dialect === 'messages' && request);
  const serverTools = /"type":\s*"(?:web_search|web_fetch|code_execution)_\d+"/;

  test.each(named(requests))('%s is accepted, and translated where it can be', (_id, one) => {
    const body = one.request ?? new Uint8Array();
    const facts = parseMessagesRequest(body);
    expect(facts.stream).toBe(JSON.parse(new TextDecoder().decode(body)).stream ?? false);
    const isServed = serverTools.test(new TextDecoder().decode(body));
    for (const provider of ['chat', 'gemini', 'messages'] as const) {
      const opened = () =>
        openExchange({
          client: 'messages',
          provider,
          body,
          model: 'served',
          stream: facts.stream,
          includeUsage: true,
        });
      if (isServed && provider !== 'messages') {
        expect(opened).toThrow(expect.objectContaining({ code: 'invalid_request' }));
      } else {
        const sent = JSON.parse(new TextDecoder().decode(opened().request.body));
        if (provider !== 'gemini') expect(sent.model).toBe('served');
      }
    }
  });

  test('requests of unmodified clients are accepted', () => {
    const folder = join(directory ?? '', 'clients');
    const captured = readdirSync(folder)
      .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')))
      .filter(({ url }) => url?.split('?')[0] === '/v1/messages');
    expect(captured.length).toBeGreaterThan(4);
    for (const { body } of captured) {
      const facts = parseMessagesRequest(new TextEncoder().encode(JSON.stringify(body)));
      expect(facts.stream).toBe(body.stream ?? false);
    }
  });
});
