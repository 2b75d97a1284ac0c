import { fixturesDirectory, fixturesMissingMessage } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { openExchange } from '../src/index.ts';
import { openaiSpecification } from './openai-specification.ts';
import { recordedCases } from './recorded-case.ts';
import { eventsOf } from './responses-answer.ts';

const directory = fixturesDirectory();
const specification = openaiSpecification(directory, { relaxed: true });
/** Recorded answers that no client can be given: see the replay. */
const UNREADABLE = [
  'anthropic/messages.edge-handmade.02',
  'google/streamGenerateContent.thinking.02',
  'google/streamGenerateContent.parallel-tools.02',
  'vertex/streamGenerateContent.partial-args.01',
  'google/streamGenerateContent.json-array-stream.01',
];

const cases = (directory === undefined ? [] : recordedCases(directory)).filter(
  ({ id, status, facts }) => status === 200 && !facts.error && !UNREADABLE.includes(id),
);

const REQUEST = {
  model: 'asked',
  instructions: 'Be brief.',
  input: [{ role: 'user', content: [{ type: 'input_text', text: 'Hello' }] }],
  include: ['reasoning.encrypted_content'],
  metadata: { team: 'a' },
  tools: [
    { type: 'function', name: 'weather', parameters: { type: 'object' }, strict: false },
    { type: 'custom', name: 'patch', description: 'Applies a patch.' },
  ],
  text: { format: { type: 'json_schema', name: 'a', schema: { type: 'object' }, strict: true } },
  reasoning: { effort: 'low', summary: 'auto' },
  max_output_tokens: 4096,
};

function problemsOf(schema: string, values: readonly unknown[]): string[] {
  return values.flatMap((value) => specification?.problems(schema, value) ?? ['not judged']);
}

describe.skipIf(specification === undefined)(
  specification === undefined ? fixturesMissingMessage : "OpenAI's specification",
  () => {
    test('finds fault with a response that lacks something', () => {
      expect(problemsOf('Response', [{ id: 'resp_1', object: 'response' }])).not.toEqual([]);
      expect(problemsOf('ResponseStreamEvent', [{ type: 'response.created' }])).not.toEqual([]);
    });

    test('takes the request', () => {
      expect(problemsOf('CreateResponse', [REQUEST])).toEqual([]);
    });

    const open = (provider: 'chat' | 'messages' | 'gemini', stream: boolean) =>
      openExchange({
        client: 'responses',
        provider,
        body: new TextEncoder().encode(JSON.stringify({ ...REQUEST, stream })),
        model: 'model-of-provider',
        stream,
        includeUsage: true,
      });

    test.each((['chat', 'messages', 'gemini'] as const).map((dialect) => [dialect]))(
      'takes every response that was made of recorded answers of %s',
      (dialect) => {
        const wholes = cases.filter((one) => one.dialect === dialect && !one.isStream);
        expect(wholes.length).toBeGreaterThan(5);
        for (const { id, body } of wholes) {
          const response = JSON.parse(new TextDecoder().decode(open(dialect, false).answer(body)));
          expect([id, ...problemsOf('Response', [response])]).toEqual([id]);
        }
      },
    );

    test.each((['chat', 'messages', 'gemini'] as const).map((dialect) => [dialect]))(
      'takes every event that was made of recorded streams of %s',
      (dialect) => {
        const streams = cases.filter((one) => one.dialect === dialect && one.isStream);
        expect(streams.length).toBeGreaterThan(5);
        for (const { id, body } of streams) {
          const stream = open(dialect, true).stream();
          const events = eventsOf(Buffer.concat([stream.push(body), stream.end()]));
          // A long stream says the same kind of event over and over.
          const kinds = new Map(events.map((event) => [event.type, event]));
          expect([id, ...problemsOf('ResponseStreamEvent', [...kinds.values()])]).toEqual([id]);
        }
      },
    );
  },
);
