import { describe, expect, test } from 'vitest';
import { messagesRequestToChat } from './request-to-chat.ts';
import { MESSAGES_PARAMETER_SUPPORT } from './support.ts';

const hello = [{ role: 'user', content: 'Hello' }];
const chatOf = (fields: object) =>
  messagesRequestToChat({ model: 'm', max_tokens: 5, messages: hello, ...fields });
const messagesOf = (...messages: object[]) => chatOf({ messages }).messages;
const text = (value: string, more: object = {}) => ({ type: 'text', text: value, ...more });
const mark = { cache_control: { type: 'ephemeral' } };
const png = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } };
const pngPart = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } };

describe('messagesRequestToChat', () => {
  test.each<[string, object[], object[]]>([
    ['text', [{ role: 'user', content: [text('a')] }], [{ role: 'user', content: 'a' }]],
    [
      'texts, and the end of a cached prefix',
      [{ role: 'user', content: [text('a'), text('b', mark)] }],
      [{ role: 'user', content: [text('a'), text('b', mark)] }],
    ],
    [
      'images inline and by address',
      [
        {
          role: 'user',
          content: [png, { type: 'image', source: { type: 'url', url: 'https://a.b/c' } }],
        },
      ],
      [
        {
          role: 'user',
          content: [pngPart, { type: 'image_url', image_url: { url: 'https://a.b/c' } }],
        },
      ],
    ],
    [
      'a PDF as a file, and a text as text',
      [
        {
          role: 'user',
          content: [
            {
              type: 'document',
              title: 'a.pdf',
              source: { type: 'base64', media_type: 'application/pdf', data: 'AAAA' },
            },
            { type: 'document', title: 'T', source: { type: 'text', data: 'long' } },
          ],
        },
      ],
      [
        {
          role: 'user',
          content: [
            {
              type: 'file',
              file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' },
            },
            text('T\n\nlong'),
          ],
        },
      ],
    ],
    [
      'calls, thoughts and their results',
      [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm', signature: 'S' },
            { type: 'redacted_thinking', data: 'R' },
            text('Let me see.'),
            { type: 'tool_use', id: 't1', name: 'f', input: { a: 1 } },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 't1', content: [text('no'), png], is_error: true },
            text('Well?'),
          ],
        },
      ],
      [
        {
          role: 'assistant',
          content: 'Let me see.',
          reasoning_content: 'Hm',
          reasoning_details: [
            { type: 'reasoning.text', text: 'Hm', signature: 'S', format: 'anthropic-claude-v1' },
            { type: 'reasoning.encrypted', data: 'R', format: 'anthropic-claude-v1' },
          ],
          tool_calls: [
            { id: 't1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
          ],
        },
        { role: 'tool', tool_call_id: 't1', content: [text('no'), pngPart], is_error: true },
        { role: 'user', content: 'Well?' },
      ],
    ],
    [
      'a call alone, and a result without content',
      [
        {
          role: 'assistant',
          content: [
            { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
            { type: 'tool_use', id: 't1', name: 'f', input: {} },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't1' }] },
      ],
      [
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 't1', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 't1', content: '' },
      ],
    ],
    [
      'instructions in the middle',
      [...hello, { role: 'system', content: [text('Be brief.')] }],
      [...hello, { role: 'system', content: 'Be brief.' }],
    ],
    [
      'a search result as text',
      [
        {
          role: 'user',
          content: [
            { type: 'search_result', title: 'T', source: 'https://a', content: [text('c')] },
          ],
        },
      ],
      [{ role: 'user', content: 'T\n\nhttps://a\n\nc' }],
    ],
  ])('says %s', (_name, messages, expected) => {
    expect(messagesOf(...messages)).toEqual(expected);
  });

  test('puts the system first, with its marks', () => {
    expect(chatOf({ system: 'Be brief.' }).messages[0]).toEqual({
      role: 'system',
      content: 'Be brief.',
    });
    const system = [text('a'), text('b', mark)];
    expect(chatOf({ system }).messages[0]).toEqual({ role: 'system', content: system });
  });

  test.each<[string, object, object]>([
    ['the limit', { max_tokens: 7 }, { max_completion_tokens: 7 }],
    [
      'sampling',
      { temperature: 0.5, top_p: 0.9, top_k: 4 },
      { temperature: 0.5, top_p: 0.9, top_k: 4 },
    ],
    ['stop sequences', { stop_sequences: ['a', 'b'] }, { stop: ['a', 'b'] }],
    ['the user', { metadata: { user_id: 'u' } }, { user: 'u' }],
    ['a small budget', { thinking: { type: 'enabled', budget_tokens: 1024 } }, effort('low')],
    ['a larger one', { thinking: { type: 'enabled', budget_tokens: 4096 } }, effort('medium')],
    ['a large one', { thinking: { type: 'enabled', budget_tokens: 16384 } }, effort('high')],
    ['no thinking', { thinking: { type: 'disabled' } }, effort('none')],
    [
      'an effort',
      { thinking: { type: 'adaptive' }, output_config: effortOnly('max') },
      effort('max'),
    ],
    ['the standard tier', { service_tier: 'standard_only' }, { service_tier: 'default' }],
    ['nothing of any tier', { service_tier: 'auto' }, {}],
    ['nothing of a cache', { cache_control: { type: 'ephemeral' } }, {}],
    [
      'a schema that OpenAI takes strictly',
      { output_config: { format: { type: 'json_schema', schema: schema(['a']) } } },
      format(schema(['a']), true),
    ],
    [
      'one that it does not',
      { output_format: { type: 'json_schema', schema: schema([]) } },
      format(schema([]), false),
    ],
    [
      'tools',
      { tools: [{ name: 'f', description: 'd', input_schema: { type: 'object' }, ...mark }] },
      {
        tools: [
          {
            type: 'function',
            function: { name: 'f', description: 'd', parameters: { type: 'object' } },
            ...mark,
          },
        ],
      },
    ],
  ])('says %s', (_name, fields, expected) => {
    expect(chatOf(fields)).toEqual({
      model: 'm',
      max_completion_tokens: 5,
      messages: hello,
      ...expected,
    });
  });

  test.each<[object, unknown, boolean | undefined]>([
    [{ type: 'auto' }, 'auto', undefined],
    [{ type: 'any', disable_parallel_tool_use: true }, 'required', false],
    [{ type: 'none' }, 'none', undefined],
    [{ type: 'tool', name: 'f' }, { type: 'function', function: { name: 'f' } }, undefined],
  ])('chooses tools as %j does', (choice, expected, parallel) => {
    const tools = [{ name: 'f', input_schema: { type: 'object' } }];
    const request = chatOf({ tools, tool_choice: choice });
    expect([request.tool_choice, request.parallel_tool_calls]).toEqual([expected, parallel]);
    expect(chatOf({ tool_choice: choice }).tool_choice).toBeUndefined();
  });

  test.each<[string, object, string, RegExp]>([
    [
      'a search',
      { tools: [{ type: 'web_search_20250305', name: 'w' }] },
      'tools[0].type',
      /'web_search'/,
    ],
    ['a shell', { tools: [{ type: 'bash_20250124', name: 'bash' }] }, 'tools[0].type', /'bash'/],
    [
      'a tool that is not known',
      { tools: [{ type: 'new_1', name: 'n' }] },
      'tools[0].type',
      /a tool/,
    ],
    ['servers', { mcp_servers: [{ name: 's' }] }, 'mcp_servers', /mcp_servers/],
    ['a container', { container: 'c' }, 'container', /container/],
    ['a thread', { thread: { type: 'create' } }, 'thread', /'thread'/],
    [
      'a file by its id',
      userBlock({ type: 'image', source: { type: 'file', file_id: 'f' } }),
      'messages[0].content[0].source.type',
      /not supported/,
    ],
    [
      'a document by address',
      userBlock({ type: 'document', source: { type: 'url', url: 'https://a' } }),
      'messages[0].content[0].source.type',
      /not supported/,
    ],
    [
      'an upload',
      userBlock({ type: 'container_upload', file_id: 'f' }),
      'messages[0].content[0].type',
      /not supported/,
    ],
    [
      'an image that is no address',
      userBlock({ type: 'image', source: { type: 'url', url: 'file:///etc' } }),
      'messages[0].content[0].source.url',
      /http/,
    ],
  ])('refuses %s by name', (_name, fields, param, message) => {
    expect(() => chatOf(fields)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        message: expect.stringMatching(message),
        facts: expect.objectContaining({ param }),
      }),
    );
  });

  test('does with every parameter what the table says', () => {
    const plain = JSON.stringify(chatOf({}));
    const samples: Record<string, unknown> = {
      cache_control: { type: 'ephemeral' },
      container: 'c',
    };
    for (const [name, support] of Object.entries(MESSAGES_PARAMETER_SUPPORT)) {
      if (support === 'translated') continue;
      const value = samples[name] ?? ['x'];
      if (support === 'refused') expect(() => chatOf({ [name]: value })).toThrow(name);
      else expect(JSON.stringify(chatOf({ [name]: value }))).toBe(plain);
    }
  });
});

function effort(reasoning_effort: string) {
  return { reasoning_effort };
}

function effortOnly(value: string) {
  return { effort: value };
}

function userBlock(block: object) {
  return { messages: [{ role: 'user', content: [block] }] };
}

function schema(required: string[]) {
  return {
    type: 'object',
    properties: { a: { type: 'string' } },
    required,
    additionalProperties: false,
  };
}

function format(value: object, strict: boolean) {
  return {
    response_format: {
      type: 'json_schema',
      json_schema: { name: 'answer', schema: value, strict },
    },
  };
}
