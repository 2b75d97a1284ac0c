import { describe, expect, test } from 'vitest';
import { asChatRequest } from '../chat/parse-request.ts';
import { messagesRequestFromChat } from './request-from-chat.ts';

const hello = [{ role: 'user', content: 'Hello' }];
const text = (value: string) => ({ type: 'text', text: value });

function bodyOf(fields: object, model = 'claude-sonnet-4-5') {
  const request = asChatRequest({ model: 'asked', messages: hello, ...fields });
  return messagesRequestFromChat(request, model, false).body;
}

const tool = (name: string, more: object = {}) => ({
  type: 'function',
  function: { name, parameters: { type: 'object', properties: { a: {} } }, ...more },
});
const call = (id: string, name: string, args: string) => ({
  id,
  type: 'function',
  function: { name, arguments: args },
});

describe('messagesRequestFromChat', () => {
  test('asks in the version of the recorded traffic', () => {
    const request = asChatRequest({ model: 'asked', messages: hello });
    expect(messagesRequestFromChat(request, 'claude-sonnet-4-5', true)).toEqual({
      path: '/v1/messages',
      headers: { 'anthropic-version': '2023-06-01' },
      body: {
        model: 'claude-sonnet-4-5',
        max_tokens: 32_000,
        stream: true,
        messages: [{ role: 'user', content: [text('Hello')] }],
      },
    });
  });

  test.each<[string, object[], object]>([
    [
      'instructions in front, wherever they stood',
      [
        { role: 'system', content: 'One.' },
        { role: 'user', content: 'Hello' },
        { role: 'developer', content: [text('Two.')] },
      ],
      { system: 'One.\n\nTwo.', messages: [{ role: 'user', content: [text('Hello')] }] },
    ],
    [
      'instructions alone as what the user says',
      [{ role: 'system', content: 'Say hello.' }],
      { messages: [{ role: 'user', content: [text('Say hello.')] }] },
    ],
    [
      'several turns, those of one role joined, without empty texts',
      [
        { role: 'user', content: 'A' },
        { role: 'user', content: [text('B'), text(' ')] },
        { role: 'assistant', content: 'C' },
        { role: 'user', content: 'D' },
      ],
      {
        messages: [
          { role: 'user', content: [text('A'), text('B')] },
          { role: 'assistant', content: [text('C')] },
          { role: 'user', content: [text('D')] },
        ],
      },
    ],
    [
      'images and documents',
      [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:image/PNG;base64,AAAA' } },
            { type: 'image_url', image_url: { url: 'https://a.test/b.jpg' } },
            {
              type: 'file',
              file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,BBBB' },
            },
          ],
        },
      ],
      {
        messages: [
          {
            role: 'user',
            content: [
              {
                type: 'image',
                source: { type: 'base64', media_type: 'image/png', data: 'AAAA' },
              },
              { type: 'image', source: { type: 'url', url: 'https://a.test/b.jpg' } },
              {
                type: 'document',
                source: { type: 'base64', media_type: 'application/pdf', data: 'BBBB' },
                title: 'a.pdf',
              },
            ],
          },
        ],
      },
    ],
    [
      'parallel calls, and their results in one turn',
      [
        { role: 'user', content: 'Go' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [call('c:1', 'f', '{"a":1}'), call('c2', 'g', '')],
        },
        { role: 'tool', tool_call_id: 'c:1', content: 'one' },
        { role: 'tool', tool_call_id: 'c2', content: [text('two')] },
        { role: 'user', content: 'Well?' },
      ],
      {
        messages: [
          { role: 'user', content: [text('Go')] },
          {
            role: 'assistant',
            content: [
              { type: 'tool_use', id: 'c_1', name: 'f', input: { a: 1 } },
              { type: 'tool_use', id: 'c2', name: 'g', input: {} },
            ],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'c_1', content: [text('one')] },
              { type: 'tool_result', tool_use_id: 'c2', content: [text('two')] },
              text('Well?'),
            ],
          },
        ],
        tools: [
          { name: 'f', input_schema: { type: 'object', properties: {} } },
          { name: 'g', input_schema: { type: 'object', properties: {} } },
        ],
        tool_choice: { type: 'none' },
      },
    ],
    [
      'the beginning of an answer without its last space',
      [
        { role: 'user', content: 'Go' },
        { role: 'assistant', content: 'I will ' },
      ],
      {
        messages: [
          { role: 'user', content: [text('Go')] },
          { role: 'assistant', content: [text('I will')] },
        ],
      },
    ],
  ])('writes %s', (_name, messages, expected) => {
    const { model: _model, max_tokens: _maxTokens, ...body } = bodyOf({ messages });
    expect(body).toEqual(expected);
  });

  test.each<[object, object]>([
    [{ max_tokens: 10 }, { max_tokens: 10 }],
    [{ max_tokens: 10, max_completion_tokens: 20 }, { max_tokens: 20 }],
    [{ temperature: 0.5 }, { temperature: 0.5 }],
    [{ temperature: 1.7 }, { temperature: 1 }],
    [{ top_p: 0.5 }, { top_p: 0.5 }],
    [
      { temperature: 0.5, top_p: 0.5 },
      { temperature: 0.5, top_p: undefined },
    ],
    [{ stop: 'END' }, { stop_sequences: ['END'] }],
    [{ stop: ['a', '\n', 'b'] }, { stop_sequences: ['a', 'b'] }],
    [{ user: 'u1' }, { metadata: { user_id: 'u1' } }],
    [
      { seed: 1, logit_bias: { 5: 1 }, metadata: {} },
      { seed: undefined, metadata: undefined },
    ],
    [
      { tools: [], tool_choice: 'auto' },
      { tools: undefined, tool_choice: undefined },
    ],
    [{ tools: [tool('f')] }, { tool_choice: undefined }],
    [{ tools: [tool('f')], tool_choice: 'auto' }, { tool_choice: { type: 'auto' } }],
    [{ tools: [tool('f')], tool_choice: 'none' }, { tool_choice: { type: 'none' } }],
    [{ tools: [tool('f')], tool_choice: 'required' }, { tool_choice: { type: 'any' } }],
    [
      { tools: [tool('f')], tool_choice: { type: 'function', function: { name: 'f' } } },
      { tool_choice: { type: 'tool', name: 'f' } },
    ],
    [
      { tools: [tool('f')], parallel_tool_calls: false },
      { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    ],
    [
      { tools: [tool('f')], parallel_tool_calls: false, tool_choice: 'required' },
      { tool_choice: { type: 'any', disable_parallel_tool_use: true } },
    ],
    [{ tools: [tool('f')], parallel_tool_calls: true }, { tool_choice: undefined }],
    [
      { tools: [tool('f', { description: 'd', strict: true })] },
      {
        tools: [
          {
            name: 'f',
            description: 'd',
            strict: true,
            input_schema: { type: 'object', properties: { a: {} }, additionalProperties: false },
          },
        ],
      },
    ],
    [
      { tools: [{ type: 'function', function: { name: 'f' } }] },
      { tools: [{ name: 'f', input_schema: { type: 'object', properties: {} } }] },
    ],
    [{ response_format: { type: 'text' } }, { output_config: undefined, system: undefined }],
    [
      {
        response_format: {
          type: 'json_schema',
          json_schema: {
            name: 'n',
            schema: {
              type: 'object',
              properties: {
                default: { type: 'object' },
                list: { type: 'array', items: { type: 'object', properties: {} } },
              },
              default: { type: 'object' },
            },
          },
        },
      },
      {
        output_config: {
          format: {
            type: 'json_schema',
            schema: {
              type: 'object',
              properties: {
                default: { type: 'object', additionalProperties: false },
                list: {
                  type: 'array',
                  items: { type: 'object', properties: {}, additionalProperties: false },
                },
              },
              default: { type: 'object' },
              additionalProperties: false,
            },
          },
        },
      },
    ],
  ])('writes %j as %j', (fields, expected) => {
    const body = bodyOf(fields);
    for (const [name, value] of Object.entries(expected)) expect(body[name]).toEqual(value);
  });

  test('asks for JSON in words, since there is no JSON mode', () => {
    const { system } = bodyOf({
      response_format: { type: 'json_object' },
      messages: [{ role: 'system', content: 'Be brief.' }, ...hello],
    });
    expect(system).toMatch(/^Be brief\.\n\nAnswer with one valid JSON object/);
  });

  test.each<[string, object, object]>([
    ['claude-opus-4-7', { temperature: 0, top_p: 0.5 }, { temperature: undefined }],
    ['claude-opus-5', { temperature: 0, top_p: 0.5 }, { top_p: undefined }],
    ['claude-sonnet-4-6', { temperature: 0 }, { temperature: 0 }],
    ['claude-3-opus-20240229', {}, { max_tokens: 4_096 }],
    ['claude-3-5-haiku-20241022', {}, { max_tokens: 8_192 }],
    ['some-alias', { temperature: 0.2 }, { temperature: 0.2, max_tokens: 8_192 }],
    [
      'claude-sonnet-4-5',
      { reasoning_effort: 'medium', temperature: 0.5 },
      { thinking: { type: 'enabled', budget_tokens: 8_192 }, temperature: undefined },
    ],
    [
      'claude-sonnet-4-5',
      { reasoning_effort: 'high', max_tokens: 2_000 },
      { thinking: { type: 'enabled', budget_tokens: 1_999 }, max_tokens: 2_000 },
    ],
    ['claude-sonnet-4-5', { reasoning_effort: 'low', max_tokens: 500 }, { thinking: undefined }],
    ['claude-sonnet-4-5', { reasoning_effort: 'none' }, { thinking: undefined }],
    [
      'claude-opus-4-6',
      { reasoning_effort: 'minimal' },
      { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } },
    ],
    [
      'claude-opus-4-6',
      { reasoning_effort: 'high', tools: [tool('f')], tool_choice: 'required' },
      { thinking: undefined, output_config: { effort: 'high' } },
    ],
    ['claude-3-5-sonnet-20241022', { reasoning_effort: 'high' }, { thinking: undefined }],
    [
      'claude-opus-4-1-20250805',
      { tools: [tool('f', { strict: true })] },
      { tools: [{ name: 'f', input_schema: { type: 'object', properties: { a: {} } } }] },
    ],
  ])('knows what %s takes of %j', (model, fields, expected) => {
    const body = bodyOf(fields, model);
    for (const [name, value] of Object.entries(expected)) expect(body[name]).toEqual(value);
  });

  test('thinks no more in the middle of a turn, whose thoughts a chat cannot carry', () => {
    const messages = [
      ...hello,
      { role: 'assistant', tool_calls: [call('c', 'f', '{}')] },
      { role: 'tool', tool_call_id: 'c', content: 'r' },
    ];
    const { thinking } = bodyOf({ reasoning_effort: 'high', tools: [tool('f')], messages });
    expect(thinking).toBeUndefined();
  });

  const user = (part: object) => [{ role: 'user', content: [part] }];
  test.each<[string, object]>([
    [
      'messages[0].content[0].image_url.url',
      { messages: user({ type: 'image_url', image_url: { url: 'file:///etc/passwd' } }) },
    ],
    [
      'messages[0].content[0].image_url.url',
      { messages: user({ type: 'image_url', image_url: { url: 'data:image/png,AA' } }) },
    ],
    [
      'messages[0].content[0].image_url.url',
      { messages: user({ type: 'image_url', image_url: { url: 'http://' } }) },
    ],
    [
      'messages[0].content[0].type',
      { messages: user({ type: 'input_audio', input_audio: { data: '', format: 'wav' } }) },
    ],
    ['messages[0].content[0].type', { messages: user({ type: 'video_url' }) }],
    [
      'messages[0].content[0].file',
      { messages: user({ type: 'file', file: { file_id: 'file-1' } }) },
    ],
    ['messages[0].role', { messages: [{ role: 'function', name: 'f', content: 'r' }] }],
    [
      'messages[0].tool_calls[0].function.arguments',
      { messages: [{ role: 'assistant', tool_calls: [call('c', 'f', '{"a":')] }] },
    ],
    [
      'messages[0].tool_calls[0].function.arguments',
      { messages: [{ role: 'assistant', tool_calls: [call('c', 'f', '[]')] }] },
    ],
    [
      'messages[0].tool_calls[0].type',
      { messages: [{ role: 'assistant', tool_calls: [{ id: 'c', type: 'custom' }] }] },
    ],
    ['messages', { messages: [{ role: 'user', content: '' }] }],
    ['tools[0].type', { tools: [{ type: 'custom', custom: {} }] }],
    ['tool_choice.type', { tools: [tool('f')], tool_choice: { type: 'allowed_tools' } }],
  ])('names %s in its refusal of %j', (param, fields) => {
    expect(() => bodyOf(fields)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        facts: expect.objectContaining({ param }),
      }),
    );
  });
});
