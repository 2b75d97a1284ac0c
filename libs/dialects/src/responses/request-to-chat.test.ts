import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TOOL_NAME_CHARACTERS_MAX } from '../chat/chat-request.ts';
import { asChatRequest } from '../chat/parse-request.ts';
import { encryptedContent } from './reasoning-content.ts';
import { responsesRequestToChat } from './request-to-chat.ts';
import type { ResponsesRequest } from './responses-request.ts';
import { RESPONSES_PARAMETER_SUPPORT } from './support.ts';
import { joinedName } from './tools-to-chat.ts';

const asked = (fields: object) =>
  ({ model: 'm', input: 'Hello', ...fields }) as unknown as ResponsesRequest;
const chatOf = (fields: object) => responsesRequestToChat(asked(fields)).request;
const messagesOf = (input: unknown, more: object = {}) => chatOf({ input, ...more }).messages;

function thrownBy(fields: object): unknown {
  try {
    chatOf(fields);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('a request of responses as a chat', () => {
  test('is a chat that our own parser takes', () => {
    const chat = chatOf({
      instructions: 'Be brief.',
      stream: true,
      temperature: 1,
      top_p: 0.5,
      max_output_tokens: 9,
      user: 'u',
      parallel_tool_calls: false,
      tools: [{ type: 'function', name: 'f', description: 'd', parameters: {}, strict: true }],
      tool_choice: { type: 'function', name: 'f' },
      reasoning: { effort: 'low', summary: 'auto' },
      text: {
        format: { type: 'json_schema', name: 's', schema: {}, strict: true },
        verbosity: 'low',
      },
    });
    expect(asChatRequest(chat)).toEqual({
      model: 'm',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hello' },
      ],
      stream: true,
      temperature: 1,
      top_p: 0.5,
      max_completion_tokens: 9,
      user: 'u',
      parallel_tool_calls: false,
      tools: [
        {
          type: 'function',
          function: { name: 'f', description: 'd', parameters: {}, strict: true },
        },
      ],
      tool_choice: { type: 'function', function: { name: 'f' } },
      reasoning_effort: 'low',
      response_format: {
        type: 'json_schema',
        json_schema: { name: 's', schema: {}, strict: true },
      },
      verbosity: 'low',
    });
  });

  test('leaves out what was not asked', () => {
    expect(
      chatOf({ temperature: null, tools: [], tool_choice: 'auto', text: { format: null } }),
    ).toEqual({
      model: 'm',
      messages: [{ role: 'user', content: 'Hello' }],
    });
  });

  test('holds all that the model said between two inputs in one message', () => {
    const messages = messagesOf([
      { role: 'user', content: 'Weather in Oslo and Rome?' },
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'OPAQUE' },
      {
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'I look.', annotations: [] }],
      },
      { type: 'function_call', call_id: 'a', name: 'weather', arguments: '{"city":"Oslo"}' },
      { type: 'function_call', call_id: 'b', name: 'weather', arguments: '{"city":"Rome"}' },
      { type: 'function_call_output', call_id: 'a', output: 'cold' },
      { type: 'function_call_output', call_id: 'b', output: [{ type: 'input_text', text: 'hot' }] },
    ]);
    const call = (id: string, city: string) => ({
      id,
      type: 'function',
      function: { name: 'weather', arguments: JSON.stringify({ city }) },
    });
    expect(messages).toEqual([
      { role: 'user', content: 'Weather in Oslo and Rome?' },
      {
        role: 'assistant',
        content: 'I look.',
        reasoning_details: [
          {
            type: 'reasoning.encrypted',
            data: 'OPAQUE',
            format: 'openai-responses-v1',
            id: 'rs_1',
          },
        ],
        tool_calls: [call('a', 'Oslo'), call('b', 'Rome')],
      },
      { role: 'tool', tool_call_id: 'a', content: 'cold' },
      { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'hot' }] },
    ]);
  });

  test('gives signatures back to where they came from', () => {
    const detail = {
      type: 'reasoning.text',
      text: 'hm',
      signature: 'SIGNED',
      format: 'anthropic-claude-v1',
    };
    const extra = { google: { thought_signature: 'T' } };
    const [, message] = messagesOf([
      { role: 'user', content: 'Hello' },
      {
        type: 'reasoning',
        summary: [],
        encrypted_content: encryptedContent({ details: [detail], calls: { a: extra } }),
      },
      { type: 'function_call', call_id: 'a', name: 'f', arguments: '{}' },
    ]);
    expect(message).toMatchObject({
      reasoning_details: [detail],
      tool_calls: [{ id: 'a', extra_content: extra }],
    });
  });

  test.each(['gw1.', 'gw1.!!!!', `gw1.${Buffer.from('[1]').toString('base64url')}`])(
    'does not take %j for reasoning of ours',
    (content) => {
      const messages = messagesOf([
        { type: 'reasoning', summary: [], encrypted_content: content },
        { role: 'assistant', content: 'Hello' },
      ]);
      expect(messages).toHaveLength(1);
      expect(messages[0]).toMatchObject({ role: 'assistant', content: 'Hello' });
    },
  );

  test('takes pictures, documents and sound', () => {
    const url = 'data:image/png;base64,AAAA';
    const [message] = messagesOf([
      {
        role: 'user',
        content: [
          { type: 'input_image', image_url: url, detail: 'low' },
          { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' },
          { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
        ],
      },
    ]);
    expect(message?.content).toEqual([
      { type: 'image_url', image_url: { url, detail: 'low' } },
      {
        type: 'file',
        file: { file_data: 'data:application/pdf;base64,AAAA', filename: 'a.pdf' },
      },
      { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
    ]);
  });

  test('makes functions of namespaces and custom tools, in the history too', () => {
    const { request, identities } = responsesRequestToChat(
      asked({
        tools: [
          { type: 'namespace', name: 'crm', tools: [{ type: 'function', name: 'find' }] },
          {
            type: 'custom',
            name: 'patch',
            description: 'Edits.',
            format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' },
          },
        ],
        input: [
          { type: 'function_call', call_id: 'a', namespace: 'crm', name: 'find', arguments: '{}' },
          { type: 'custom_tool_call', call_id: 'b', name: 'patch', input: 'x' },
          { type: 'custom_tool_call_output', call_id: 'b', output: 'done' },
        ],
      }),
    );
    expect(request.tools?.map((tool) => tool.function?.name)).toEqual(['crm__find', 'patch']);
    expect(request.tools?.[1]?.function?.description).toBe(
      'Edits.\n\nThe input follows this lark grammar:\nstart: "x"',
    );
    expect(request.messages[0]).toMatchObject({
      tool_calls: [
        { function: { name: 'crm__find' } },
        { function: { name: 'patch', arguments: '{"input":"x"}' } },
      ],
    });
    expect(identities.get('crm__find')).toEqual({
      kind: 'function',
      name: 'find',
      namespace: 'crm',
    });
    expect(identities.get('patch')).toMatchObject({ kind: 'custom', name: 'patch' });
  });

  test('joins names within the bound of a name', () => {
    expect(joinedName('f', 'n'.repeat(125))).toHaveLength(TOOL_NAME_CHARACTERS_MAX);
    expect(joinedName('f', 'n'.repeat(126))).toHaveLength(TOOL_NAME_CHARACTERS_MAX);
    expect(joinedName('find', 'a b')).toBe('a_b__find');
  });

  test('offers the allowed tools alone', () => {
    const tools = ['a', 'b'].map((name) => ({ type: 'function', name }));
    const choice = {
      type: 'allowed_tools',
      mode: 'required',
      tools: [{ type: 'function', name: 'b' }],
    };
    const chat = chatOf({ tools, tool_choice: choice });
    expect(chat.tools?.map((tool) => tool.function?.name)).toEqual(['b']);
    expect(chat.tool_choice).toBe('required');
  });

  test('drops a search that must not look at the web', () => {
    const tools = [{ type: 'web_search', external_web_access: false }];
    expect(chatOf({ tools, tool_choice: 'auto' })).not.toHaveProperty('tools');
  });

  test.each([
    [{ tools: [{ type: 'web_search' }] }, 'tools[0].type', 'web_search'],
    [{ tools: [{ type: 'file_search', vector_store_ids: [] }] }, 'tools[0].type', 'file_search'],
    [{ tools: [{ type: 'code_interpreter' }] }, 'tools[0].type', 'code_interpreter'],
    [{ tools: [{ type: 'mcp', server_label: 'a' }] }, 'tools[0].type', 'mcp'],
    [{ tools: [{ type: 'computer_use_preview' }] }, 'tools[0].type', 'computer_use_preview'],
    [
      { tools: [{ type: 'namespace', name: 'n', tools: [{ type: 'mcp' }] }] },
      'tools[0].tools[0].type',
      'mcp',
    ],
    [{ tool_choice: { type: 'web_search_preview' } }, 'tool_choice.type', 'web_search_preview'],
    [{ previous_response_id: 'resp_1' }, 'previous_response_id', 'send all items'],
    [{ prompt: { id: 'pmpt_1' } }, 'prompt', 'prompt'],
    [{ top_logprobs: 3 }, 'top_logprobs', 'top_logprobs'],
    [{ include: ['a', 'message.output_text.logprobs'] }, 'include[1]', 'include[1]'],
    [{ input: [{ type: 'item_reference', id: 'msg_1' }] }, 'input[0].type', 'stored items'],
    [{ input: [{ type: 'web_search_call', id: 'ws_1' }] }, 'input[0].type', 'web_search_call'],
    [{ input: [] }, 'input', 'Missing'],
    [
      { input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'file_1' }] }] },
      'input[0].content[0].file_id',
      'the data itself',
    ],
    [
      { input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'file_1' }] }] },
      'input[0].content[0].file_id',
      'the data itself',
    ],
    [
      {
        tools: [
          { type: 'function', name: 'f' },
          { type: 'custom', name: 'f' },
        ],
      },
      'tools[1]',
      'same name',
    ],
  ])('refuses %j and names %s', (fields, param, said) => {
    expect(thrownBy(fields)).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining(said),
      facts: { param },
    });
  });

  test('does with every parameter what the table says', () => {
    const samples: Readonly<Record<string, unknown>> = {
      input: 'x',
      tools: [{ type: 'function', name: 'sample' }],
      tool_choice: 'required',
      parallel_tool_calls: false,
      text: { format: { type: 'json_object' } },
      reasoning: { effort: 'low' },
      include: ['message.output_text.logprobs'],
      stream: true,
      temperature: 0.5,
      top_p: 0.5,
      max_output_tokens: 5,
    };
    const tools = [{ type: 'function', name: 'f' }];
    for (const [name, support] of Object.entries(RESPONSES_PARAMETER_SUPPORT)) {
      const fields = { tools, [name]: samples[name] ?? 'sample' };
      if (support === 'refused' || name === 'include') {
        expect(thrownBy(fields), name).toMatchObject({ code: 'invalid_request' });
      } else if (support === 'dropped') {
        expect(chatOf(fields), name).toEqual(chatOf({ tools }));
      } else {
        expect(chatOf(fields), name).not.toEqual(chatOf({ tools, input: 'other' }));
      }
    }
  });

  test('makes of any items a chat or a refusal', () => {
    const item = fc.oneof(
      fc.record({ role: fc.constantFrom('user', 'assistant', 'system'), content: fc.string() }),
      fc.record({
        type: fc.constant('function_call'),
        call_id: fc.string({ minLength: 1 }),
        name: fc.string({ minLength: 1 }),
        arguments: fc.string(),
      }),
      fc.record({
        type: fc.constant('function_call_output'),
        call_id: fc.string({ minLength: 1 }),
        output: fc.string(),
      }),
      fc.record({ type: fc.constant('reasoning'), encrypted_content: fc.string() }),
      fc.record({ type: fc.string() }),
    );
    fc.assert(
      fc.property(fc.array(item), (input) => {
        const thrown = thrownBy({ input });
        if (thrown !== undefined) expect(thrown).toMatchObject({ code: 'invalid_request' });
        else expect(asChatRequest(chatOf({ input })).messages.length).toBeGreaterThanOrEqual(0);
      }),
    );
  });
});
