import { describe, expect, test } from 'vitest';
import { asChatRequest } from '../chat/parse-request.ts';
import { messagesRequestFromChat } from './request-from-chat.ts';

const hello = [{ role: 'user', content: 'Hello' }];
const text = (value: string) => ({ type: 'text', text: value });
const tool = { type: 'function', function: { name: 'f' } };

function bodyOf(fields: object) {
  const request = asChatRequest({ model: 'asked', messages: hello, ...fields });
  return messagesRequestFromChat(request, 'claude-sonnet-4-5', false).body;
}

describe("what a chat says beyond OpenAI's own", () => {
  test('gives thoughts back to the one who had them, and no one else', () => {
    const format = 'anthropic-claude-v1';
    const reasoning_details = [
      { type: 'reasoning.text', text: 'H', index: 0 },
      { type: 'reasoning.text', text: 'm', signature: 'S', format, index: 0 },
      { type: 'reasoning.encrypted', data: 'R', format },
      { type: 'reasoning.encrypted', data: 'X', format: 'openai-responses-v1' },
      { type: 'reasoning.text', text: 'unsigned' },
    ];
    const messages = [...hello, { role: 'assistant', content: 'Hi', reasoning_details }, ...hello];
    expect((bodyOf({ messages }).messages as object[])[1]).toEqual({
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm', signature: 'S' },
        { type: 'redacted_thinking', data: 'R' },
        text('Hi'),
      ],
    });
  });

  test('keeps the marks of cached prefixes', () => {
    const mark = { cache_control: { type: 'ephemeral', ttl: '1h' } };
    const breakpoint = { prompt_cache_breakpoint: { mode: 'explicit' } };
    const system = {
      role: 'system',
      content: [
        { ...text('a'), ...mark },
        { ...text('b'), ...breakpoint },
      ],
    };
    const file = { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' };
    const user = { role: 'user', content: [{ type: 'file', file, ...mark }] };
    const body = bodyOf({
      messages: [system, user],
      tools: [{ ...tool, ...mark }],
      response_format: { type: 'json_object' },
    });
    expect(body.system).toEqual([
      { ...text('a'), ...mark },
      { ...text('b'), cache_control: { type: 'ephemeral' } },
      text(expect.stringContaining('JSON') as unknown as string),
    ]);
    expect(body.messages).toMatchObject([{ content: [{ type: 'document', ...mark }] }]);
    expect(body.tools).toMatchObject([{ name: 'f', ...mark }]);
  });

  test.each([
    ['auto', 'auto'],
    ['default', 'standard_only'],
    ['flex', undefined],
  ])('asks for the tier %s as %s', (tier, expected) => {
    expect(bodyOf({ service_tier: tier }).service_tier).toBe(expected);
  });
});
