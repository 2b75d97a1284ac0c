import { GatewayError } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerRecord } from '../answer-record.ts';
import type { ChoiceAnswer } from '../chat/chat-answer.ts';
import type { ExchangeOptions } from '../exchange.ts';
import { openExchange } from '../open-exchange.ts';
import { messagesRequestFromChat } from './request-from-chat.ts';
import { messagesRequestToChat } from './request-to-chat.ts';
import { messageFromChat } from './response-from-chat.ts';
import { messagesAnswerToChat } from './response-to-chat.ts';

const encode = (text: string) => new TextEncoder().encode(text);
const word = fc.stringMatching(/^[a-zA-Z0-9é😀{}" ]{0,8}[a-z]$/u);
const name = fc.stringMatching(/^[a-z]{1,6}$/);
const mark = fc.option(fc.constant({ cache_control: { type: 'ephemeral' } }), { nil: {} });

function marked<Block extends object>(block: fc.Arbitrary<Block>): fc.Arbitrary<object> {
  return fc.tuple(block, mark).map(([value, more]) => ({ ...value, ...more }));
}

const text = marked(fc.record({ type: fc.constant('text'), text: word }));
const image = marked(
  fc.record({
    type: fc.constant('image'),
    source: fc.oneof(
      fc.record({
        type: fc.constant('base64'),
        media_type: fc.constantFrom('image/png', 'image/jpeg'),
        data: fc.base64String({ minLength: 4 }),
      }),
      fc.record({ type: fc.constant('url'), url: name.map((path) => `https://a.b/${path}`) }),
    ),
  }),
);
const pdf = marked(
  fc.record({
    type: fc.constant('document'),
    source: fc.record({
      type: fc.constant('base64'),
      media_type: fc.constant('application/pdf'),
      data: fc.base64String({ minLength: 4 }),
    }),
    title: name,
  }),
);
const result = fc
  .tuple(
    fc.record({
      type: fc.constant('tool_result'),
      tool_use_id: name,
      content: fc.array(fc.oneof(text, image)),
    }),
    fc.boolean(),
  )
  .map(([block, failed]) => ({ ...block, ...(failed && { is_error: true }) }));
const thought = fc.oneof(
  fc.record({ type: fc.constant('thinking'), thinking: word, signature: name }),
  fc.record({ type: fc.constant('redacted_thinking'), data: name }),
);
/** As JSON writes it: -0 is 0. */
const written = fc.jsonValue({ maxDepth: 1 }).map((value) => JSON.parse(JSON.stringify(value)));
const call = fc.record({
  type: fc.constant('tool_use'),
  id: name,
  name,
  input: fc.dictionary(name, written, { noNullPrototype: true }),
});

/** Blocks in the order in which a chat completion has a place for them. */
const user = fc
  .tuple(fc.array(result, { maxLength: 2 }), fc.array(fc.oneof(text, image, pdf), { minLength: 1 }))
  .map((parts) => ({ role: 'user', content: parts.flat() }));
const assistant = fc
  .tuple(
    fc.array(thought, { maxLength: 2 }),
    fc.array(text, { minLength: 1, maxLength: 2 }),
    fc.array(call, { maxLength: 2 }),
  )
  .map((parts) => ({ role: 'assistant', content: parts.flat() }));
const turns = fc
  .array(fc.tuple(user, assistant), { maxLength: 2 })
  .chain((pairs) => user.map((last) => [...pairs.flat(), last]));

const tool = marked(
  fc.record({
    name,
    description: word,
    input_schema: fc.constant({ type: 'object', properties: { a: { type: 'string' } } }),
  }),
);
const fields = fc.record(
  {
    system: fc.oneof(word, fc.array(text, { minLength: 1 }).filter(isMarked)),
    temperature: fc.constantFrom(0, 0.5, 1),
    top_k: fc.nat(50),
    stop_sequences: fc.array(name, { minLength: 1, maxLength: 4 }),
    metadata: fc.record({ user_id: name }),
    service_tier: fc.constant('standard_only'),
    stream: fc.constant(true),
  },
  { requiredKeys: [] },
);
const toolFields = fc.record({
  tools: fc.uniqueArray(tool, {
    minLength: 1,
    maxLength: 3,
    selector: (one) => JSON.stringify(one),
  }),
  tool_choice: fc.oneof(
    fc
      .tuple(fc.constantFrom('auto', 'any'), fc.boolean())
      .map(([type, serial]) => ({ type, ...(serial && { disable_parallel_tool_use: true }) })),
    fc.record({ type: fc.constant('tool'), name }),
    fc.constant({ type: 'none' }),
  ),
});

/** Blocks without a mark become one text, which says the same. */
function isMarked(blocks: readonly object[]): boolean {
  return blocks.some((block) => 'cache_control' in block);
}

/** Calls in the history need their tools, so that one is declared for each. */
function declareCalls(request: Readonly<Record<string, unknown>>): object {
  const isCalled = JSON.stringify(request.messages).includes('"tool_use"');
  return isCalled && !('tools' in request)
    ? { ...request, tools: [{ name: 'f', input_schema: { type: 'object', properties: {} } }] }
    : request;
}

const request = fc
  .tuple(turns, fields, fc.option(toolFields, { nil: {} }))
  .map(([messages, more, tools]) =>
    declareCalls({ model: 'claude-sonnet-4-5', max_tokens: 100, messages, ...more, ...tools }),
  );

describe('a request of Messages', () => {
  test('comes back from the hub as it was', () => {
    fc.assert(
      fc.property(request, (said) => {
        const stream = 'stream' in said;
        const chat = messagesRequestToChat(said);
        const { body } = messagesRequestFromChat(chat, 'claude-sonnet-4-5', stream);
        expect(body).toEqual(said);
      }),
      { numRuns: 200 },
    );
  });

  test.each([
    ['claude-sonnet-4-5', { thinking: { type: 'enabled', budget_tokens: 1024 } }],
    ['claude-sonnet-4-5', { thinking: { type: 'enabled', budget_tokens: 8192 } }],
    ['claude-sonnet-4-5', { thinking: { type: 'enabled', budget_tokens: 24576 } }],
    ['claude-opus-4-6', { thinking: { type: 'adaptive' }, output_config: { effort: 'medium' } }],
  ])('of %s keeps %j', (model, thinking) => {
    const messages = [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }];
    const said = { model, max_tokens: 50_000, messages, ...thinking };
    expect(messagesRequestFromChat(messagesRequestToChat(said), model, false).body).toEqual(said);
  });

  test('keeps a turn of thoughts that goes on after results of tools', () => {
    const said = {
      model: 'claude-sonnet-4-5',
      max_tokens: 50_000,
      thinking: { type: 'enabled', budget_tokens: 1024 },
      tools: [{ name: 'f', input_schema: { type: 'object', properties: {} } }],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm', signature: 'S' },
            { type: 'tool_use', id: 't', name: 'f', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'r' }] },
          ],
        },
      ],
    };
    const chat = messagesRequestToChat(said);
    expect(messagesRequestFromChat(chat, said.model, false).body).toEqual(said);
  });
});

describe('an answer of Messages', () => {
  const answer = fc.record({
    id: name.map((end) => `msg_${end}`),
    type: fc.constant('message'),
    role: fc.constant('assistant'),
    model: name,
    content: fc
      .tuple(
        fc.array(thought, { maxLength: 2 }),
        fc.array(fc.record({ type: fc.constant('text'), text: word }), { maxLength: 1 }),
        fc.array(call, { maxLength: 2 }),
      )
      .map((parts) => parts.flat()),
    stop_reason: fc.constantFrom('end_turn', 'max_tokens', 'tool_use', 'refusal'),
    stop_sequence: fc.constant(null),
    usage: fc.record({
      input_tokens: fc.nat(),
      cache_creation_input_tokens: fc.nat(),
      cache_read_input_tokens: fc.nat(),
      output_tokens: fc.nat(),
    }),
  });

  test('comes back from the hub as it was', () => {
    fc.assert(
      fc.property(answer, (said) => {
        const record = new AnswerRecord();
        const context = { record, fallbackId: 'made', model: 'm', oneToolCall: false };
        const bytes = messageFromChat(messagesAnswerToChat(said, context), record);
        expect(JSON.parse(new TextDecoder().decode(bytes))).toEqual(said);
      }),
    );
  });

  test('carries what other vendors want back of their reasoning', () => {
    const choice: ChoiceAnswer = {
      index: 0,
      text: 'Hi',
      reasoning: 'Hm',
      toolCalls: [
        {
          id: 'c',
          type: 'function',
          function: { name: 'f', arguments: '{}' },
          extra_content: { google: { thought_signature: 'G' } },
        },
      ],
      finishReason: 'tool_calls',
      reasoningDetails: [
        { type: 'reasoning.encrypted', data: 'a:b', id: 'rs_1', format: 'openai-responses-v1' },
        { type: 'reasoning.text', text: 'Hm', signature: 'S', format: 'google-gemini-v1' },
      ],
    };
    const bytes = messageFromChat({ id: 'i', model: 'm', choices: [choice] }, new AnswerRecord());
    const { content } = JSON.parse(new TextDecoder().decode(bytes));
    const said = { model: 'm', max_tokens: 5, messages: [{ role: 'assistant', content }] };
    expect(messagesRequestToChat(said).messages[0]).toMatchObject({
      content: 'Hi',
      reasoning_details: choice.reasoningDetails,
      tool_calls: choice.toolCalls,
    });
  });
});

describe('the hub between Messages and any provider', () => {
  const anything = fc.jsonValue({ maxDepth: 3 });
  const anyBlock = fc.oneof(
    text,
    image,
    pdf,
    result,
    thought,
    call,
    fc.record({ type: fc.constantFrom('document', 'image', 'text', 'other'), source: anything }),
    anything,
  );
  const anyRequest = fc.record(
    {
      model: fc.oneof(name, anything),
      max_tokens: fc.oneof(fc.nat(), anything),
      messages: fc.array(
        fc.record({
          role: fc.constantFrom('user', 'assistant', 'system'),
          content: fc.oneof(word, fc.array(anyBlock), anything),
        }),
      ),
      system: fc.oneof(word, fc.array(anyBlock)),
      tools: fc.array(fc.oneof(tool, anything)),
      thinking: anything,
      output_config: anything,
      output_format: anything,
      tool_choice: anything,
    },
    { requiredKeys: ['model', 'max_tokens', 'messages'] },
  );

  test('meets any request with a request or a refusal', () => {
    const providers = fc.constantFrom<ExchangeOptions['provider']>('chat', 'gemini', 'messages');
    fc.assert(
      fc.property(providers, anyRequest, (provider, said) => {
        try {
          openExchange({
            client: 'messages',
            provider,
            body: encode(JSON.stringify(said)),
            model: 'served',
            stream: false,
            includeUsage: true,
          });
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
          expect((error as GatewayError).code).toBe('invalid_request');
        }
      }),
      { numRuns: 300 },
    );
  });

  test('meets any answer with an answer or a GatewayError', () => {
    const piece = fc.oneof(anything, answerPiece());
    fc.assert(
      fc.property(fc.constantFrom('chat', 'gemini', 'messages'), piece, (provider, value) => {
        const body = encode(
          '{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"a"}]}',
        );
        const options = { client: 'messages', provider, body, model: 's' } as const;
        for (const action of [
          () =>
            openExchange({
              ...options,
              stream: false,
              includeUsage: true,
            } as ExchangeOptions).answer(encode(JSON.stringify(value))),
          () => {
            const stream = openExchange({
              ...options,
              stream: true,
              includeUsage: true,
            } as ExchangeOptions).stream();
            stream.push(encode(`data: ${JSON.stringify(value)}\n\n`));
            stream.end();
          },
        ]) {
          try {
            action();
          } catch (error) {
            expect(error).toBeInstanceOf(GatewayError);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

function answerPiece(): fc.Arbitrary<unknown> {
  const said = fc.oneof(word, fc.constant(null));
  const called = fc.record({ name: said, arguments: said }, { requiredKeys: [] });
  const spoken = fc.record(
    {
      content: fc.oneof(said, fc.array(fc.jsonValue({ maxDepth: 1 }))),
      reasoning: said,
      reasoning_details: fc.jsonValue({ maxDepth: 2 }),
      annotations: fc.jsonValue({ maxDepth: 2 }),
      tool_calls: fc.array(
        fc.record(
          { index: fc.constantFrom(0, 1, null), id: said, function: called },
          { requiredKeys: [] },
        ),
      ),
    },
    { requiredKeys: [] },
  );
  const choice = fc.record(
    {
      index: fc.constantFrom(0, 1),
      delta: spoken,
      message: spoken,
      finish_reason: fc.oneof(said, fc.constantFrom('stop', 'error')),
    },
    { requiredKeys: [] },
  );
  return fc.record({ choices: fc.array(choice), usage: fc.jsonValue({ maxDepth: 1 }) });
}
