import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { chatClient } from '../src/chat/client.ts';
import { chatTranslator } from '../src/chat/translator.ts';
import type { Exchange } from '../src/index.ts';
import { openTranslatedExchange } from '../src/translated-exchange.ts';
import { type ClientAnswer, readStreamedAnswer, readWholeAnswer } from './client-answer.ts';
import { type RecordedCase, recordedCases } from './recorded-case.ts';

const directory = fixturesDirectory();
const cases = (directory === undefined ? [] : recordedCases(directory)).filter(
  ({ dialect, status, facts }) => dialect === 'chat' && status === 200 && !facts.error,
);

function open(stream: boolean): Exchange {
  const request = { model: 'a', messages: [{ role: 'user', content: 'Hi' }], stream };
  const body = new TextEncoder().encode(JSON.stringify(request));
  const options = { client: 'chat', provider: 'chat', model: 'b', includeUsage: true } as const;
  return openTranslatedExchange({ ...options, body, stream }, chatClient, chatTranslator);
}

function expectFacts(answer: ClientAnswer, { facts }: RecordedCase): void {
  const said = (texts: readonly string[]) => texts.filter((text) => text !== '');
  expect(said(answer.texts)).toEqual(said(facts.text));
  expect(answer.reasoning).toBe(facts.reasoning);
  expect(answer.refusal).toBe(facts.refusal ?? '');
  const calls = facts.tool_calls.map(({ name, args }) => [name, args === '' ? '{}' : args]);
  expect(answer.toolCalls.map((call) => [call.name, call.arguments])).toEqual(calls);
  for (const [index, { id }] of facts.tool_calls.entries()) {
    if (id) expect(answer.toolCalls[index]?.id).toBe(id);
  }
  const finish = facts.finish.map((reason) =>
    reason === 'function_call' || (reason === 'stop' && calls.length > 0) ? 'tool_calls' : reason,
  );
  // OpenRouter was seen to end a stream of calls without a reason.
  expect(answer.finishReasons).toEqual(finish.length === 0 ? ['tool_calls'] : finish);
}

function expectUsage({ facts }: Exchange, answer: ClientAnswer, recorded: RecordedCase): void {
  const { usage } = recorded.facts;
  if (usage === null) {
    expect(facts.usage).toBeUndefined();
    return;
  }
  const input = Number(usage.prompt_tokens);
  const output = Number(usage.total_tokens) - input;
  expect(facts.usage).toMatchObject({ inputTokens: input, outputTokens: output });
  expect(answer.usage).toMatchObject({ prompt_tokens: input, completion_tokens: output });
}

describe.skipIf(directory === undefined)(
  directory === undefined ? fixturesMissingMessage : 'answers of chat completions in the hub',
  () => {
    test.each(cases.map((one) => [one.id, one] as const))('%s loses nothing', (_id, one) => {
      if (!one.isStream) {
        const exchange = open(false);
        const answer = readWholeAnswer(exchange.answer(one.body));
        expectFacts(answer, one);
        expectUsage(exchange, answer, one);
        return;
      }
      for (const pieceBytes of [one.body.length, 7, 1]) {
        const exchange = open(true);
        const stream = exchange.stream();
        const pieces: Uint8Array[] = [];
        for (let at = 0; at < one.body.length; at += pieceBytes) {
          pieces.push(stream.push(one.body.subarray(at, at + pieceBytes)));
        }
        const answer = readStreamedAnswer(Buffer.concat([...pieces, stream.end()]));
        expectFacts(answer, one);
        expectUsage(exchange, answer, one);
        expect(answer.done).toBe(true);
      }
    });
  },
);
