import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chatAnswer } from './chat-answer.ts';
import { isPlainChatAnswer } from './plain-answer.ts';

const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
const plain = {
  id: 'chatcmpl-1',
  model: 'm',
  choices: [
    { index: 0, delta: { role: 'assistant', content: 'Hello' }, finish_reason: null },
    { index: 1, message: { content: null, tool_calls: [call], refusal: 'no' } },
    {
      delta: { reasoning: 'r', function_call: { name: 'f', arguments: '' } },
      finish_reason: 'stop',
    },
  ],
  usage: { prompt_tokens: 1 },
};

/** Every place in a value that could hold another one. */
function placesIn(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([name, held]) => placesIn(held, [...path, name])),
  ];
}

function changed(value: unknown, path: readonly string[], to: unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return to;
  const held = value as Record<string, unknown>;
  const inner = changed(held[name], rest, to);
  return Array.isArray(held)
    ? held.map((item, at) => (String(at) === name ? inner : item))
    : { ...held, [name]: inner };
}

describe('isPlainChatAnswer', () => {
  test('knows an answer, a chunk, and one that says nothing', () => {
    expect(isPlainChatAnswer(plain)).toBe(true);
    expect(isPlainChatAnswer({})).toBe(true);
    expect(isPlainChatAnswer({ choices: [], usage: null })).toBe(true);
  });

  test.each(placesIn(plain).map((path) => [path]))(
    'accepts at %j only what the schema takes as it is',
    (path) => {
      const odd = fc.oneof(
        fc.constantFrom<unknown>(null, '', 0, -1, 1.5, 1e308, true, [], {}, [null], [[]], [{}]),
        // Only a name that nobody reads is lost in the schema's copy.
        fc.jsonValue({ maxDepth: 2 }).filter((to) => !JSON.stringify(to).includes('__proto__')),
      );
      fc.assert(
        fc.property(odd, (to) => {
          const value = changed(plain, path, to);
          if (isPlainChatAnswer(value)) expect(chatAnswer.parse(value)).toEqual(value);
        }),
        { numRuns: 60 },
      );
    },
  );

  test.each([
    { id: 7 },
    { choices: [{ delta: { content: [{ type: 'text', text: 'parts' }] } }] },
    { choices: [{ index: 'first' }] },
    { x_groq: { usage: {} } },
    { choices: {} },
    [],
    'text',
  ])('leaves %j to the schema', (value) => {
    expect(isPlainChatAnswer(value)).toBe(false);
  });
});
