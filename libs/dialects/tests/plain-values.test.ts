/** The quick checks against the schemas that they spare: a yes of theirs is one of the schema's. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { chatAnswer } from '../src/chat/chat-answer.ts';
import { chatRequest } from '../src/chat/chat-request.ts';
import { isPlainChatAnswer } from '../src/chat/plain-answer.ts';
import { isPlainChatRequest } from '../src/chat/plain-request.ts';
import { apiEvent } from '../src/messages/messages-api.ts';
import { isPlainApiEvent } from '../src/messages/plain-event.ts';

const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } };
const ANSWER = {
  id: 'chatcmpl-1',
  model: 'm',
  choices: [
    { index: 0, delta: { role: 'assistant', content: 'Hello' }, finish_reason: null },
    { index: 1, message: { content: null, tool_calls: [call], refusal: 'no' } },
    { delta: { reasoning: 'r', function_call: { name: 'f', arguments: '' } }, finish_reason: '' },
  ],
  usage: { prompt_tokens: 1 },
  x_groq: null,
};
const REQUEST = {
  model: 'm',
  messages: [
    { role: 'system', content: 'Be brief.', name: 'x' },
    { role: 'user', content: 'Hello' },
    { role: 'assistant', content: 'Yes?', refusal: null, tool_calls: null },
    { role: 'developer', content: '' },
  ],
  stream: true,
  stream_options: { include_usage: null },
  max_tokens: 5,
  max_completion_tokens: null,
  temperature: 0,
  top_p: 1,
  n: 1,
  seed: -1,
  presence_penalty: -2,
  frequency_penalty: 2,
  logprobs: false,
  top_logprobs: null,
  logit_bias: null,
  stop: null,
  tools: null,
  tool_choice: null,
  parallel_tool_calls: true,
  response_format: null,
  reasoning_effort: 'low',
  service_tier: 'auto',
  top_k: null,
  user: 'u',
  metadata: { a: 1 },
};
const EVENT = {
  type: 'content_block_delta',
  index: 0,
  message: null,
  content_block: { type: 'text', text: '', thinking: null, id: 'b', name: 'f', citations: [] },
  delta: { type: 'text_delta', text: 'Hello', citation: null, stop_details: null },
  usage: { input_tokens: 1, output_tokens: 2, output_tokens_details: null },
};

const CHECKS: readonly [string, object, (value: unknown) => boolean, z.ZodType][] = [
  ['isPlainChatRequest', REQUEST, isPlainChatRequest, chatRequest],
  ['isPlainChatAnswer', ANSWER, isPlainChatAnswer, chatAnswer],
  ['isPlainApiEvent', EVENT, isPlainApiEvent, apiEvent],
];

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

const odd = fc.oneof(
  fc.constantFrom<unknown>(null, '', 0, -1, 1.5, 1e308, true, [], {}, [null], [[]], [{}]),
  // Only a name that nobody reads is lost in the schema's copy.
  fc.jsonValue({ maxDepth: 2 }).filter((to) => !JSON.stringify(to).includes('__proto__')),
);

describe.each(CHECKS)('%s', (_name, plain, isPlain, schema) => {
  test('knows what is usual', () => {
    expect(isPlain(plain)).toBe(true);
  });

  test.each(placesIn(plain).map((path) => [path]))(
    'accepts at %j only what the schema takes as it is',
    (path) => {
      fc.assert(
        fc.property(odd, (to) => {
          const value = changed(plain, path, to);
          if (isPlain(value)) expect(schema.parse(value)).toEqual(value);
        }),
        { numRuns: 60 },
      );
    },
  );
});

test.each([
  { id: 7 },
  { choices: [{ delta: { content: [{ type: 'text', text: 'parts' }] } }] },
  { choices: [{ index: 'first' }] },
  { x_groq: { usage: {} } },
  { choices: {} },
  [],
  'text',
])('the answer %j is left to the schema', (value) => {
  expect(isPlainChatAnswer(value)).toBe(false);
});

test.each([
  {},
  { model: 'm' },
  { messages: [{ role: 'user', content: 'Hello' }] },
  { ...REQUEST, model: '' },
  { ...REQUEST, model: 'm'.repeat(257) },
  { ...REQUEST, messages: [] },
  { ...REQUEST, messages: [{ role: 'user', content: [{ type: 'text', text: 'parts' }] }] },
  { ...REQUEST, messages: [{ role: 'tool', content: 'a', tool_call_id: 'c' }] },
  { ...REQUEST, temperature: 2.1 },
  { ...REQUEST, n: 129 },
  { ...REQUEST, max_tokens: 0 },
  { ...REQUEST, tools: [] },
  [],
  null,
])('the request %j is left to the schema', (value) => {
  expect(isPlainChatRequest(value)).toBe(false);
});

test.each([
  {},
  { type: 7 },
  { type: 'message_start', message: { id: 'm' } },
  { type: 'content_block_delta', delta: { text: 7 } },
  { type: 'message_delta', usage: { output_tokens: '7' } },
])('the event %j is left to the schema', (value) => {
  expect(isPlainApiEvent(value)).toBe(false);
});
