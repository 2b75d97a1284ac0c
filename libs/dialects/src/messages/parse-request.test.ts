import { GatewayError } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MODEL_CHARACTERS_MAX, TOOL_NAME_CHARACTERS_MAX } from '../chat/chat-request.ts';
import { parseMessagesRequest } from './parse-request.ts';

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const messages = [{ role: 'user', content: 'Hello' }];
const withFields = (fields: object) => encode({ model: 'm', max_tokens: 5, messages, ...fields });
const withContent = (content: unknown, role = 'user') =>
  withFields({ messages: [{ role, content }] });

function refusalOf(body: Uint8Array): GatewayError {
  try {
    parseMessagesRequest(body);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('the request was accepted');
}

describe('parseMessagesRequest', () => {
  test('tells what the gateway acts on', () => {
    const facts = parseMessagesRequest(withFields({ stream: true, temperature: 0, other: [1] }));
    expect(facts).toMatchObject({
      model: 'm',
      stream: true,
      includeUsage: true,
      deterministic: true,
      parsed: { other: [1] },
    });
    expect(parseMessagesRequest(withFields({}))).toMatchObject({
      stream: false,
      deterministic: false,
    });
  });

  test.each<[string, object]>([
    ['null for what may be left out', { system: null, tools: null, stream: null, thinking: null }],
    ['system as text', { system: 'Be brief.' }],
    [
      'system as blocks',
      { system: [{ type: 'text', text: 'a', cache_control: { type: 'ephemeral' } }] },
    ],
    ['a system message in the later version', { messages: [{ role: 'system', content: 'a' }] }],
    ['a warm cache alone', { max_tokens: 0 }],
    ['a tool of its own kind', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }],
    ['a set of tools without a name', { tools: [{ type: 'mcp_toolset', mcp_server_name: 'a' }] }],
    ['every choice of tools', { tool_choice: { type: 'any', disable_parallel_tool_use: true } }],
    ['blocks of Anthropic itself', { messages: [{ role: 'assistant', content: [{ type: 'x' }] }] }],
    ['a model at the bound', { model: 'm'.repeat(MODEL_CHARACTERS_MAX) }],
    [
      'a tool name at the bound',
      { tools: [{ name: 'f'.repeat(TOOL_NAME_CHARACTERS_MAX), input_schema: {} }] },
    ],
  ])('accepts %s', (_name, fields) => {
    expect(parseMessagesRequest(withFields(fields)).parsed).toMatchObject(fields);
  });

  test.each<[string, object, string]>([
    ['no model', { model: undefined }, 'model'],
    ['a model past the bound', { model: 'm'.repeat(MODEL_CHARACTERS_MAX + 1) }, 'model'],
    ['control characters in the model', { model: 'a\nb' }, 'model'],
    ['no messages', { messages: [] }, 'messages'],
    ['no limit', { max_tokens: undefined }, 'max_tokens'],
    ['half a token', { max_tokens: 1.5 }, 'max_tokens'],
    ['text for a number', { max_tokens: '5' }, 'max_tokens'],
    ['a temperature above 1', { temperature: 1.1 }, 'temperature'],
    ['a role that is none', { messages: [{ role: 'tool', content: 'a' }] }, 'messages[0].role'],
    ['a tool choice that is none', { tool_choice: { type: 'x' } }, 'tool_choice.type'],
    ['a choice without its tool', { tool_choice: { type: 'tool' } }, 'tool_choice.name'],
    [
      'a tool name past the bound',
      { tools: [{ name: 'f'.repeat(TOOL_NAME_CHARACTERS_MAX + 1) }] },
      'tools[0].name',
    ],
    ['a field that reaches for the gateway', { api_base: 'http://x' }, 'api_base'],
  ])('refuses %s by name', (_name, fields, param) => {
    const error = refusalOf(withFields(fields));
    expect([error.code, error.facts.param]).toEqual(['invalid_request', param]);
  });

  test.each<[string, unknown, string]>([
    ['a text block without text', [{ type: 'text' }], 'messages[0].content[0].text'],
    ['an image without a source', [{ type: 'image' }], 'messages[0].content[0].source'],
    [
      'a call without input',
      [{ type: 'tool_use', id: 'a', name: 'f' }],
      'messages[0].content[0].input',
    ],
    [
      'a result of no call',
      [{ type: 'tool_result', content: 'a' }],
      'messages[0].content[0].tool_use_id',
    ],
    [
      'a result with a broken image',
      [{ type: 'tool_result', tool_use_id: 'a', content: [{ type: 'image' }] }],
      'messages[0].content[0].content[0].source',
    ],
  ])('refuses %s by its place', (_name, content, param) => {
    expect(refusalOf(withContent(content)).facts.param).toBe(param);
  });

  test('refuses threads, which the tenants of an account would share', () => {
    const thread = { type: 'continue', previous_message_id: 'msg_of_somebody' };
    const body = { model: 'm', max_tokens: 1, messages: [{ role: 'user', content: 'x' }], thread };
    const parse = () => parseMessagesRequest(Buffer.from(JSON.stringify(body)));
    expect(parse).toThrow(/'thread'/);
    expect(() =>
      parseMessagesRequest(Buffer.from(JSON.stringify({ ...body, thread: false }))),
    ).not.toThrow();
  });

  test('refuses duplicate keys and text that is no JSON', () => {
    const duplicate = new TextEncoder().encode('{"model":"a","model":"b"}');
    expect(refusalOf(duplicate).facts.reason).toBe('duplicate_key');
    expect(refusalOf(new TextEncoder().encode('{')).facts.reason).toBe('invalid_json');
    expect(refusalOf(Uint8Array.of(0xff)).facts.reason).toBe('invalid_utf8');
  });

  test('meets any JSON with facts or a refusal', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(refusalOf(encode(value)).code).toBe('invalid_request');
      }),
    );
  });
});
