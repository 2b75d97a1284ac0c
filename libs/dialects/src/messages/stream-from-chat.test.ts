import { describe, expect, test } from 'vitest';
import { AnswerRecord } from '../answer-record.ts';
import type { ToolCallAnswer } from '../chat/chat-answer.ts';
import { MessageWriter } from './stream-from-chat.ts';

const USAGE = {
  inputTokens: 10,
  outputTokens: 7,
  cachedInputTokens: 4,
  cacheWriteInputTokens: 1,
  reasoningTokens: 2,
};

function write(action: (writer: MessageWriter) => void): Record<string, unknown>[] {
  const writer = new MessageWriter(new AnswerRecord(), {
    id: 'msg_made',
    model: 'served',
    createdSeconds: 0,
    includeUsage: true,
  });
  action(writer);
  writer.end();
  return eventsOf(writer.take());
}

function eventsOf(bytes: Uint8Array): Record<string, unknown>[] {
  const events = new TextDecoder().decode(bytes).split('\n\n').slice(0, -1);
  return events.map((event) => {
    const [type, data] = event.split('\n');
    const value = JSON.parse(data?.slice('data: '.length) ?? '') as Record<string, unknown>;
    expect(type).toBe(`event: ${String(value.type)}`);
    return value;
  });
}

/** Every event in one word or two, without the ping behind the first. */
function shapeOf(events: readonly Record<string, unknown>[]): string[] {
  return events.flatMap((event) => {
    const block = event.content_block as { type: string } | undefined;
    const delta = event.delta as Record<string, string> | undefined;
    if (block) return [`${event.index} ${block.type}`];
    if (event.type === 'content_block_stop') return [`${event.index} end`];
    if (event.type === 'content_block_delta') {
      const said = delta?.text ?? delta?.thinking ?? delta?.signature ?? delta?.partial_json;
      return [`${event.index} +${said}`];
    }
    return [];
  });
}

const call = (id: string, text = ''): ToolCallAnswer => ({
  id,
  type: 'function',
  function: { name: 'f', arguments: text },
});

describe('MessageWriter', () => {
  test('begins and ends a message', () => {
    const events = write((writer) => {
      writer.record.name('m1', 'served-1');
      writer.text(0, 'Hi');
      writer.record.count(USAGE);
      writer.finish(0, 'stop');
    });
    expect(events).toEqual([
      {
        type: 'message_start',
        message: {
          id: 'msg_m1',
          type: 'message',
          role: 'assistant',
          model: 'served-1',
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: {
            input_tokens: 0,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: 0,
            output_tokens: 0,
          },
        },
      },
      { type: 'ping' },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
      { type: 'content_block_stop', index: 0 },
      {
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: {
          input_tokens: 5,
          cache_creation_input_tokens: 1,
          cache_read_input_tokens: 4,
          output_tokens: 7,
          output_tokens_details: { thinking_tokens: 2 },
        },
      },
      { type: 'message_stop' },
    ]);
  });

  test('says what an answer without anything has, once', () => {
    const events = write((writer) => writer.end());
    expect(events.map(({ type }) => type)).toEqual([
      'message_start',
      'ping',
      'message_delta',
      'message_stop',
    ]);
  });

  test.each<[string, (writer: MessageWriter) => void, string[]]>([
    [
      'thoughts before text',
      (writer) => {
        writer.reasoning(0, 'Hm');
        writer.reasoning(0, '!');
        writer.text(0, 'A');
        writer.text(0, '');
        writer.text(0, 'B');
      },
      ['0 thinking', '0 +Hm', '0 +!', '0 end', '1 text', '1 +A', '1 +B', '1 end'],
    ],
    [
      'a signature at the end of its thought',
      (writer) => {
        writer.reasoning(0, 'Hm');
        writer.reasoningSignature(0, 'S', 'anthropic-claude-v1');
        writer.reasoning(0, 'Ah');
        writer.encryptedReasoning(0, 'R', 'anthropic-claude-v1');
      },
      [
        ...['0 thinking', '0 +Hm', '0 +S', '0 end', '1 thinking', '1 +Ah', '1 end'],
        ...['2 redacted_thinking', '2 end'],
      ],
    ],
    [
      "another vendor's signature with its name",
      (writer) => writer.reasoningSignature(0, 'S', 'google-gemini-v1'),
      ['0 thinking', '0 +google-gemini-v1::S', '0 end'],
    ],
    [
      'calls in pieces',
      (writer) => {
        writer.toolArguments(0, writer.toolCall(0, call('a')), '{"a"');
        writer.toolArguments(0, 0, ':1}');
        writer.toolCall(0, call('b', '{}'));
      },
      ['0 tool_use', '0 +{"a"', '0 +:1}', '0 end', '1 tool_use', '1 +{}', '1 end'],
    ],
    [
      'calls whose pieces are mixed, one after the other',
      (writer) => {
        writer.toolCall(0, call('a'));
        writer.toolCall(0, call('b'));
        writer.toolArguments(0, 1, '{"b":');
        writer.toolArguments(0, 0, '{}');
        writer.toolArguments(0, 1, '1}');
      },
      ['0 tool_use', '0 +{}', '0 end', '1 tool_use', '1 +{"b":1}', '1 end'],
    ],
    [
      'text behind calls',
      (writer) => {
        writer.toolCall(0, call('a', '{"cut'));
        writer.text(0, 'A');
      },
      ['0 tool_use', '0 +{"cut', '0 end', '1 text', '1 +A', '1 end'],
    ],
    ['nothing of a second choice', (writer) => writer.text(1, 'A'), []],
  ])('writes %s', (_name, action, expected) => {
    expect(shapeOf(write(action))).toEqual(expected);
  });

  test('refuses a piece of a call that has ended', () => {
    expect(() =>
      write((writer) => {
        writer.toolCall(0, call('a', '{}'));
        writer.text(0, 'A');
        writer.toolArguments(0, 0, '{}');
      }),
    ).toThrow(expect.objectContaining({ code: 'provider_bad_response' }));
  });

  test('puts sources into the text that they are of', () => {
    const [, , start, delta] = write((writer) =>
      writer.citation(0, { url: 'https://a', title: 'A' }),
    );
    expect(start?.content_block).toEqual({ type: 'text', text: '' });
    expect(delta?.delta).toMatchObject({
      type: 'citations_delta',
      citation: { type: 'web_search_result_location', url: 'https://a', title: 'A' },
    });
  });

  test.each<[string, (writer: MessageWriter) => void, object]>([
    ['length', (writer) => writer.finish(0, 'length'), { stop_reason: 'max_tokens' }],
    ['calls', (writer) => writer.finish(0, 'tool_calls'), { stop_reason: 'tool_use' }],
    ['a filter', (writer) => writer.finish(0, 'content_filter'), { stop_reason: 'refusal' }],
    [
      'a refusal',
      (writer) => {
        writer.refusal(0, 'No.');
        writer.finish(0, 'stop');
      },
      { stop_reason: 'refusal' },
    ],
    [
      'a stop sequence',
      (writer) => writer.finish(0, 'stop', 'END'),
      { stop_reason: 'stop_sequence', stop_sequence: 'END' },
    ],
  ])('says that it ended with %s', (_name, action, expected) => {
    expect(write(action).at(-2)).toMatchObject({ type: 'message_delta', delta: expected });
  });
});
