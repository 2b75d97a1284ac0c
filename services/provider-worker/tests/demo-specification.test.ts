/** The demonstration's answers, by OpenAI's own specification. */

import { openProvider } from '@gateway/providers';
import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { openaiSpecification } from '../../../libs/dialects/tests/openai-specification.ts';

const specification = openaiSpecification(fixturesDirectory());
const demo = openProvider({ name: 'demo', kind: 'demo' }, { connectionsMax: 1 });

async function ask(stream: boolean, said?: object): Promise<string> {
  const request = said ?? {
    model: 'demo',
    messages: [{ role: 'user', content: 'Who are you?' }],
    ...(stream && { stream, stream_options: { include_usage: true } }),
  };
  const answer = await demo.send(
    { path: '/chat/completions', headers: {}, body: Buffer.from(JSON.stringify(request)) },
    {
      requestId: 'a',
      stream,
      timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1, totalMs: 1 },
      signal: new AbortController().signal,
    },
  );
  return Buffer.from(await answer.readAll(100_000)).toString('utf8');
}

function problemsOf(schema: string, text: string): string[] {
  return specification?.problems(schema, JSON.parse(text)) ?? ['not judged'];
}

describe.skipIf(specification === undefined)(
  specification === undefined ? fixturesMissingMessage : "OpenAI's specification",
  () => {
    test('takes the whole answer of the demonstration', async () => {
      expect(problemsOf('CreateChatCompletionResponse', await ask(false))).toEqual([]);
    });

    test('takes every chunk of the demonstration', async () => {
      const events = (await ask(true)).split('\n\n').filter((event) => event !== '');
      expect(events.pop()).toBe('data: [DONE]');
      expect(events.length).toBeGreaterThan(10);
      for (const event of events) {
        const chunk = event.slice('data: '.length);
        expect(problemsOf('CreateChatCompletionStreamResponse', chunk)).toEqual([]);
      }
    });

    test('takes the refusal of the demonstration', async () => {
      expect(problemsOf('ErrorResponse', await ask(false, { input: 'a' }))).toEqual([]);
    });
  },
);
