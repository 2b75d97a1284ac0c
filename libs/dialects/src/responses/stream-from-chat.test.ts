import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AnswerRecord } from '../answer-record.ts';
import type { AnswerWriter } from '../answer-writer.ts';
import type { ChoiceAnswer, ToolCallAnswer } from '../chat/chat-answer.ts';
import { openResponsesClient } from './client.ts';

interface Event {
  readonly type: string;
  readonly [name: string]: unknown;
}

const USAGE = {
  inputTokens: 9,
  outputTokens: 5,
  cachedInputTokens: 4,
  cacheWriteInputTokens: 1,
  reasoningTokens: 2,
};
const HEAD = { id: 'resp_x', model: 'm', createdSeconds: 7, includeUsage: true };
const REQUEST = { model: 'm', input: 'Hello' };

function openClient(fields: object = {}) {
  const client = openResponsesClient();
  client.request({ ...REQUEST, ...fields });
  return client;
}

function eventsOf(say: (writer: AnswerWriter) => void, fields: object = {}): Event[] {
  const record = new AnswerRecord();
  const writer = openClient(fields).writer(record, HEAD);
  say(writer);
  record.count(USAGE);
  writer.end();
  const text = new TextDecoder().decode(writer.take());
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => JSON.parse(block.slice(block.indexOf('\ndata: ') + 7)) as Event);
}

function responseOf(events: readonly Event[]) {
  return events.at(-1)?.response as { output: Event[]; [name: string]: unknown };
}

const typesOf = (events: readonly Event[]) =>
  events.map(({ type }) => type.replace('response.', ''));

const call = (name: string, text = '', more: object = {}): ToolCallAnswer => ({
  id: `call_${name}`,
  type: 'function',
  function: { name, arguments: text },
  ...more,
});

describe('the events of a response', () => {
  test('say a text in their order, numbered from 0', () => {
    const events = eventsOf((writer) => {
      writer.text(0, 'Hel');
      writer.text(0, 'lo');
      writer.finish(0, 'stop');
    });
    expect(typesOf(events)).toEqual([
      'created',
      'in_progress',
      'output_item.added',
      'content_part.added',
      'output_text.delta',
      'output_text.delta',
      'output_text.done',
      'content_part.done',
      'output_item.done',
      'completed',
    ]);
    expect(events.map(({ sequence_number: number }) => number)).toEqual([...events.keys()]);
    const part = { type: 'output_text', text: 'Hello', annotations: [], logprobs: [] };
    expect(responseOf(events)).toMatchObject({
      id: 'resp_x',
      object: 'response',
      created_at: 7,
      model: 'm',
      status: 'completed',
      error: null,
      incomplete_details: null,
      store: false,
      output: [
        { id: 'msg_x_0', type: 'message', role: 'assistant', status: 'completed', content: [part] },
      ],
      usage: {
        input_tokens: 9,
        input_tokens_details: { cached_tokens: 4, cache_write_tokens: 1 },
        output_tokens: 5,
        output_tokens_details: { reasoning_tokens: 2 },
        total_tokens: 14,
      },
    });
  });

  test('say reasoning, a text and two calls whose arguments come interleaved', () => {
    const events = eventsOf((writer) => {
      writer.reasoning(0, 'hm');
      writer.text(0, 'I look.');
      const a = writer.toolCall(0, call('a'));
      const b = writer.toolCall(0, call('b'));
      writer.toolArguments(0, a, '{"x"');
      writer.toolArguments(0, b, '{}');
      writer.toolArguments(0, a, ':1}');
      writer.finish(0, 'tool_calls');
    });
    const { output } = responseOf(events);
    expect(output.map(({ type }) => type)).toEqual([
      'reasoning',
      'message',
      'function_call',
      'function_call',
    ]);
    expect(output[0]).toMatchObject({ summary: [{ type: 'summary_text', text: 'hm' }] });
    expect(output[0]).not.toHaveProperty('encrypted_content');
    expect(output.slice(2)).toMatchObject([
      { call_id: 'call_a', name: 'a', arguments: '{"x":1}', status: 'completed' },
      { call_id: 'call_b', name: 'b', arguments: '{}', status: 'completed' },
    ]);
    const added = events.filter(({ type }) => type === 'response.output_item.added');
    expect(added.map(({ output_index: index }) => index)).toEqual([0, 1, 2, 3]);
    const done = events.filter(({ type }) => type === 'response.output_item.done');
    expect(done.map(({ item }) => item)).toEqual(output);
  });

  test.each([
    ['length', 'max_output_tokens'],
    ['content_filter', 'content_filter'],
  ] as const)('end incomplete for %s', (reason, said) => {
    const events = eventsOf((writer) => {
      writer.text(0, 'Hel');
      writer.finish(0, reason);
    });
    expect(events.at(-1)?.type).toBe('response.incomplete');
    expect(responseOf(events)).toMatchObject({
      status: 'incomplete',
      incomplete_details: { reason: said },
      output: [{ status: 'incomplete' }],
    });
  });

  test('say a refusal as a part of its own', () => {
    const events = eventsOf((writer) => {
      writer.text(0, 'Well');
      writer.refusal(0, 'No.');
      writer.finish(0, 'stop');
    });
    expect(responseOf(events).output).toMatchObject([
      {
        content: [
          { type: 'output_text', text: 'Well' },
          { type: 'refusal', refusal: 'No.' },
        ],
      },
    ]);
    expect(typesOf(events).filter((type) => type.startsWith('refusal'))).toEqual([
      'refusal.delta',
      'refusal.done',
    ]);
  });

  test('name the sources of a text', () => {
    const events = eventsOf((writer) => {
      writer.text(0, 'Hello');
      writer.citation(0, { url: 'https://a.example/', title: 'A' });
      writer.finish(0, 'stop');
    });
    const annotation = {
      type: 'url_citation',
      url: 'https://a.example/',
      title: 'A',
      start_index: 0,
      end_index: 5,
    };
    expect(responseOf(events).output).toMatchObject([{ content: [{ annotations: [annotation] }] }]);
    const said = events.find(({ type }) => type === 'response.output_text.annotation.added');
    expect(said).toMatchObject({ annotation_index: 0, annotation });
  });

  test('name tools as the client did', () => {
    const tools = [
      { type: 'namespace', name: 'crm', tools: [{ type: 'function', name: 'find' }] },
      { type: 'custom', name: 'patch' },
    ];
    const events = eventsOf(
      (writer) => {
        writer.toolCall(0, call('crm__find', '{}'));
        const patch = writer.toolCall(0, call('patch'));
        writer.toolArguments(0, patch, '{"input":"a');
        writer.toolArguments(0, patch, '\\nb"}');
        writer.finish(0, 'tool_calls');
      },
      { tools },
    );
    expect(responseOf(events).output).toMatchObject([
      { type: 'function_call', namespace: 'crm', name: 'find', arguments: '{}' },
      { type: 'custom_tool_call', name: 'patch', input: 'a\nb' },
    ]);
    expect(events.find(({ type }) => type.endsWith('custom_tool_call_input.delta'))).toMatchObject({
      delta: 'a\nb',
    });
  });

  test('leave out what no choice but the first says', () => {
    const events = eventsOf((writer) => {
      writer.text(0, 'a');
      writer.text(1, 'b');
      writer.finish(1, 'length');
      writer.finish(0, 'stop');
    });
    expect(JSON.stringify(responseOf(events).output)).not.toContain('"b"');
    expect(responseOf(events).status).toBe('completed');
  });

  test('are not said twice', () => {
    const record = new AnswerRecord();
    const writer = openClient().writer(record, HEAD);
    writer.end();
    writer.take();
    writer.end();
    expect(writer.take()).toHaveLength(0);
  });
});

const INCLUDE = { include: ['reasoning.encrypted_content'] };
const SIGNED = { format: 'anthropic-claude-v1' } as const;

/** What the next turn holds when the client sends the output back. */
function nextTurn(output: readonly unknown[]) {
  const chat = openResponsesClient().request({ model: 'm', input: output, store: false });
  return chat.messages[0] as unknown as { [name: string]: unknown };
}

describe('reasoning that is sent back', () => {
  test('is what the vendor gave, signatures of thoughts and of calls included', () => {
    const extra = { google: { thought_signature: 'T' } };
    const events = eventsOf((writer) => {
      writer.reasoning(0, 'one');
      writer.reasoningSignature(0, 'S1', SIGNED.format);
      writer.reasoning(0, 'two');
      writer.reasoningSignature(0, 'S2', SIGNED.format);
      writer.encryptedReasoning(0, 'DARK', SIGNED.format);
      writer.toolCall(0, call('a', '{}', { extra_content: extra }));
      writer.finish(0, 'tool_calls');
    }, INCLUDE);
    const { output } = responseOf(events);
    expect(output.map(({ type }) => type)).toEqual(['reasoning', 'function_call']);
    expect(nextTurn(output)).toMatchObject({
      reasoning_details: [
        { type: 'reasoning.text', text: 'one', signature: 'S1', ...SIGNED },
        { type: 'reasoning.text', text: 'two', signature: 'S2', ...SIGNED },
        { type: 'reasoning.encrypted', data: 'DARK', ...SIGNED },
      ],
      tool_calls: [{ id: 'call_a', extra_content: extra }],
    });
  });

  test("keeps OpenAI's own content and id", () => {
    const format = 'openai-responses-v1';
    const events = eventsOf((writer) => {
      writer.reasoning(0, 'hm');
      writer.encryptedReasoning(0, 'A', format, 'rs_a');
      writer.encryptedReasoning(0, 'B', format, 'rs_b');
      writer.text(0, 'Hello');
      writer.finish(0, 'stop');
    }, INCLUDE);
    const { output } = responseOf(events);
    expect(output).toMatchObject([
      { type: 'reasoning', summary: [{ text: 'hm' }] },
      { type: 'reasoning', id: 'rs_a', encrypted_content: 'A' },
      { type: 'reasoning', id: 'rs_b', encrypted_content: 'B' },
      { type: 'message' },
    ]);
    expect(nextTurn(output)).toMatchObject({
      reasoning_details: [
        { type: 'reasoning.encrypted', data: 'A', format, id: 'rs_a' },
        { type: 'reasoning.encrypted', data: 'B', format, id: 'rs_b' },
      ],
    });
  });

  test('comes in a whole answer as it does in a stream', () => {
    const text = fc.string({ minLength: 1 });
    const anyCall = fc.record({
      name: fc.constantFrom('a', 'b'),
      text: fc.constantFrom('{}', '{"x":1}'),
    });
    const answer = fc.record({
      reasoning: fc.string(),
      signature: text,
      text,
      calls: fc.array(anyCall),
    });
    fc.assert(
      fc.property(answer, ({ reasoning, signature, text: said, calls }) => {
        const toolCalls = calls.map((one, index) => ({
          ...call(one.name, one.text),
          id: `${index}`,
        }));
        const detail = { type: 'reasoning.text', text: reasoning, signature, ...SIGNED } as const;
        const choice: ChoiceAnswer = {
          index: 0,
          text: said,
          reasoning,
          toolCalls,
          finishReason: 'stop',
          reasoningDetails: [detail],
        };
        const record = new AnswerRecord();
        const whole = openClient(INCLUDE).answer(
          { id: 'a', model: 'm', choices: [choice] },
          record,
          7,
        );
        const events = eventsOf((writer) => {
          writer.reasoning(0, reasoning);
          writer.reasoningSignature(0, signature, SIGNED.format);
          writer.text(0, said);
          for (const one of toolCalls) writer.toolCall(0, one);
          writer.finish(0, 'stop');
        }, INCLUDE);
        const withoutIds = ({ id: _id, ...item }: Event) => item;
        const got = JSON.parse(new TextDecoder().decode(whole)) as { output: Event[] };
        expect(got.output.map(withoutIds)).toEqual(responseOf(events).output.map(withoutIds));
        expect(nextTurn(got.output)).toMatchObject({ content: said, reasoning_details: [detail] });
      }),
    );
  });
});
