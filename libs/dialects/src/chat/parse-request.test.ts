import { GatewayError } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CHOICES_MAX, MODEL_CHARACTERS_MAX, TOOL_NAME_CHARACTERS_MAX } from './chat-request.ts';
import { parseChatRequest } from './parse-request.ts';

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const messages = [{ role: 'user', content: 'Hello' }];
const withFields = (fields: object) => encode({ model: 'm', messages, ...fields });

function refusalOf(body: Uint8Array): GatewayError {
  try {
    parseChatRequest(body);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('the request was accepted');
}

describe('parseChatRequest', () => {
  test('tells what the gateway acts on', () => {
    const facts = parseChatRequest(
      withFields({
        stream: true,
        stream_options: { include_usage: true },
        temperature: 0,
        other: { kept: [1] },
      }),
    );
    expect(facts).toMatchObject({
      model: 'm',
      stream: true,
      includeUsage: true,
      deterministic: true,
      parsed: { other: { kept: [1] } },
    });
  });

  test.each([
    [{}, false],
    [{ temperature: 0 }, true],
    [{ temperature: 0, n: 1 }, true],
    [{ temperature: 0, n: null }, true],
    [{ temperature: 0, n: 2 }, false],
    [{ temperature: 0.1 }, false],
    [{ temperature: null }, false],
  ])('%j is deterministic: %s', (fields, deterministic) => {
    expect(parseChatRequest(withFields(fields)).deterministic).toBe(deterministic);
  });

  test.each([
    ['null for what may be left out', { stream: null, stop: null, tools: null, n: null }],
    ['the ends of ranges', { temperature: 2, top_p: 1, n: CHOICES_MAX, presence_penalty: -2 }],
    ['four stop sequences', { stop: ['a', 'b', 'c', 'd'] }],
    ['one stop sequence', { stop: 'a' }],
    ['a model at the bound', { model: 'm'.repeat(MODEL_CHARACTERS_MAX) }],
    ['a named tool', { tool_choice: { type: 'function', function: { name: 'f' } } }],
    ['other tools', { tools: [{ type: 'custom', custom: { name: 'f' } }] }],
    [
      'a tool name at the bound',
      { tools: [{ type: 'function', function: { name: 'f'.repeat(TOOL_NAME_CHARACTERS_MAX) } }] },
    ],
    ['a JSON schema', { response_format: { type: 'json_schema', json_schema: { name: 'a' } } }],
    [
      'every role and kind of content',
      {
        messages: [
          { role: 'system', content: 's' },
          { role: 'developer', content: [{ type: 'text', text: 'd' }] },
          {
            role: 'user',
            content: [
              { type: 'text', text: 't' },
              { type: 'image_url', image_url: { url: 'https://a.test/b.png', detail: 'low' } },
              { type: 'input_audio', input_audio: { data: 'AAAA', format: 'wav' } },
              { type: 'file', file: { file_id: 'file-1' } },
              { type: 'video_url', video_url: { url: 'x' } },
            ],
          },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: 'c', content: 'r' },
          { role: 'function', name: 'f', content: 'r' },
        ],
      },
    ],
  ])('accepts %s', (_name, fields) => {
    expect(parseChatRequest(withFields(fields)).parsed).toMatchObject(fields);
  });

  test.each([
    ['model', { model: undefined }, 'missing_required_parameter'],
    ['model', { model: 5 }, 'invalid_value'],
    ['model', { model: null }, 'invalid_value'],
    ['model', { model: '' }, 'invalid_value'],
    ['model', { model: 'm'.repeat(MODEL_CHARACTERS_MAX + 1) }, 'invalid_value'],
    ['model', { model: 'a\nb' }, 'invalid_value'],
    ['messages', { messages: undefined }, 'missing_required_parameter'],
    ['messages', { messages: 'Hello' }, 'invalid_value'],
    ['messages', { messages: [] }, 'invalid_value'],
    ['messages[0]', { messages: ['Hello'] }, 'invalid_value'],
    ['messages[0].role', { messages: [{ content: 'a' }] }, 'invalid_value'],
    ['messages[0].role', { messages: [{ role: 'boss', content: 'a' }] }, 'invalid_value'],
    ['messages[0].content', { messages: [{ role: 'user' }] }, 'invalid_value'],
    ['messages[1].content', { messages: [...messages, { role: 'user', content: 5 }] }],
    ['messages[0].content[0].text', { messages: [{ role: 'user', content: [{ type: 'text' }] }] }],
    ['messages[0].tool_call_id', { messages: [{ role: 'tool', content: 'r' }] }],
    ['stream', { stream: 'true' }],
    ['stream', { stream: 1 }],
    ['stream_options', { stream_options: { include_usage: true } }],
    ['stream_options', { stream: false, stream_options: {} }],
    ['stream_options.include_usage', { stream: true, stream_options: { include_usage: 1 } }],
    ['max_tokens', { max_tokens: 0 }],
    ['max_tokens', { max_tokens: -1 }],
    ['max_tokens', { max_tokens: 1.5 }],
    ['max_tokens', { max_tokens: '5' }],
    ['max_tokens', { max_tokens: true }],
    ['max_tokens', { max_tokens: 2 ** 53 }],
    ['max_completion_tokens', { max_completion_tokens: 0 }],
    ['temperature', { temperature: 2.01 }],
    ['temperature', { temperature: -0.01 }],
    ['temperature', { temperature: '1' }],
    ['top_p', { top_p: 1.01 }],
    ['top_p', { top_p: {} }],
    ['n', { n: 0 }],
    ['n', { n: CHOICES_MAX + 1 }],
    ['n', { n: 1.5 }],
    ['stop', { stop: 5 }],
    ['stop', { stop: ['a', 'b', 'c', 'd', 'e'] }],
    ['tools', { tools: {} }],
    ['tools[0].type', { tools: [{}] }],
    ['tools[0].function.name', { tools: [{ type: 'function', function: {} }] }],
    ['tools[0].function.name', { tools: [{ type: 'function', function: { name: '' } }] }],
    [
      'tools[0].function.name',
      {
        tools: [{ type: 'function', function: { name: 'f'.repeat(TOOL_NAME_CHARACTERS_MAX + 1) } }],
      },
    ],
    ['tool_choice', { tool_choice: 'maybe' }],
    ['tool_choice.function.name', { tool_choice: { type: 'function', function: {} } }],
    ['response_format', { response_format: 'json' }],
    ['response_format.type', { response_format: { type: 'yaml' } }],
    ['response_format.json_schema', { response_format: { type: 'json_schema' } }],
    ['api_base', { api_base: 'http://a.test' }, 'unknown_parameter'],
    ['base_url', { base_url: 'http://a.test' }, 'unknown_parameter'],
    ['user_config', { user_config: {} }, 'unknown_parameter'],
    ['mock_response', { mock_response: 'x' }, 'unknown_parameter'],
    ['extra_body', { extra_body: {} }, 'unknown_parameter'],
  ])('names %s in its refusal of %j', (param, fields, reason?: string) => {
    const error = refusalOf(withFields(fields));
    expect(error.code).toBe('invalid_request');
    expect(error.facts.param).toBe(param);
    if (reason !== undefined) expect(error.facts.reason).toBe(reason);
    expect(error.message).toContain(`'${param}'`);
  });

  test('refuses a number that no number holds', () => {
    const text = '{"model":"m","messages":[{"role":"user","content":"a"}],"temperature":1e999}';
    expect(refusalOf(new TextEncoder().encode(text)).facts.param).toBe('temperature');
  });

  test.each([
    ['invalid_utf8', Uint8Array.of(0x7b, 0xff, 0x7d)],
    ['invalid_utf8', Uint8Array.of(0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d)],
    ['invalid_json', new TextEncoder().encode('{"model":')],
    ['invalid_json', new Uint8Array()],
    ['invalid_json', encode([messages])],
    ['invalid_json', encode(null)],
    ['duplicate_key', new TextEncoder().encode('{"model":"a","m\\u006fdel":"b"}')],
    ['invalid_unicode', new TextEncoder().encode('{"model":"\\ud800"}')],
  ])('says %s of a body that cannot be read', (reason, body) => {
    const error = refusalOf(body);
    expect(error.code).toBe('invalid_request');
    expect(error.facts.reason).toBe(reason);
  });

  test('takes `__proto__` for a name like any other', () => {
    const text =
      '{"__proto__":{"polluted":1},"model":"m",' +
      '"messages":[{"role":"user","content":"a","__proto__":{"polluted":1}}]}';
    expect(parseChatRequest(new TextEncoder().encode(text)).model).toBe('m');
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test('answers every JSON with facts or a refusal', () => {
    const value = fc.oneof(fc.jsonValue(), fc.constantFrom('user', 'text', 'function'));
    const request = fc.record(
      {
        model: value,
        messages: fc.oneof(value, fc.array(fc.record({ role: value, content: value }))),
        stream: value,
        stream_options: value,
        tools: fc.oneof(value, fc.array(fc.record({ type: value, function: value }))),
        tool_choice: value,
        response_format: value,
        stop: value,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(request, (fields) => {
        try {
          parseChatRequest(encode({ model: 'm', messages, ...fields }));
        } catch (error) {
          expect(error).toBeInstanceOf(GatewayError);
          expect((error as GatewayError).code).toBe('invalid_request');
        }
      }),
      { numRuns: 500 },
    );
  });

  test('never quotes the request', () => {
    const secret = 'zebra-crossing';
    const bodies = [
      withFields({ tool_choice: secret }),
      withFields({ messages: [{ role: secret, content: secret }] }),
      withFields({ response_format: { type: secret } }),
      new TextEncoder().encode(`{"model":"${secret}" ${secret}}`),
    ];
    for (const body of bodies) expect(refusalOf(body).message).not.toContain(secret);
  });
});
