import { GatewayError } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MODEL_CHARACTERS_MAX, TOOL_NAME_CHARACTERS_MAX } from '../chat/chat-request.ts';
import { parseResponsesRequest } from './parse-request.ts';

const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const withFields = (fields: object) => encode({ model: 'm', input: 'Hello', ...fields });

function refusalOf(body: Uint8Array): GatewayError {
  try {
    parseResponsesRequest(body);
  } catch (error) {
    if (error instanceof GatewayError) return error;
    throw error;
  }
  throw new Error('the request was accepted');
}

describe('parseResponsesRequest', () => {
  test('tells what the gateway acts on', () => {
    const fields = { stream: true, previous_response_id: 'resp_1', other: { kept: [1] } };
    expect(parseResponsesRequest(withFields(fields))).toMatchObject({
      model: 'm',
      stream: true,
      includeUsage: true,
      deterministic: false,
      previousResponseId: 'resp_1',
      parsed: { other: { kept: [1] } },
    });
  });

  test.each([
    [{}, false],
    [{ temperature: 0 }, false],
    [{ temperature: 0, store: true }, false],
    [{ temperature: 0, store: false }, true],
    [{ temperature: 0.1, store: false }, false],
  ])('%j is deterministic: %s', (fields, deterministic) => {
    expect(parseResponsesRequest(withFields(fields)).deterministic).toBe(deterministic);
  });

  test.each([
    ['null for what may be left out', { stream: null, tools: null, text: null, reasoning: null }],
    ['a prompt in place of an input', { input: null, prompt: { id: 'pmpt_1' } }],
    ['messages without a type', { input: [{ role: 'developer', content: 'Be brief.' }] }],
    ['items of kinds that are new', { input: [{ type: 'hologram', any: 1 }] }],
    ['parts of kinds that are new', { input: [{ role: 'user', content: [{ type: 'smell' }] }] }],
    ['tools that OpenAI runs', { tools: [{ type: 'web_search' }, { type: 'mcp' }] }],
    ['a tool name at the bound', { tools: [{ type: 'function', name: 'n'.repeat(128) }] }],
    ['a model at the bound', { model: 'm'.repeat(MODEL_CHARACTERS_MAX) }],
    ['answers in the foreground', { background: false }],
    ['the ends of ranges', { temperature: 2, top_p: 0, top_logprobs: 20, max_output_tokens: 1 }],
  ])('accepts %s', (_what, fields) => {
    expect(parseResponsesRequest(withFields(fields)).parsed).toMatchObject(fields);
  });

  test.each([
    [{ model: '' }, 'model', 'invalid_value'],
    [{ model: 'm'.repeat(MODEL_CHARACTERS_MAX + 1) }, 'model', 'invalid_value'],
    [{ model: 'a\nb' }, 'model', 'invalid_value'],
    [{ input: 7 }, 'input', 'invalid_value'],
    [{ input: [{ role: 'tool', content: 'a' }] }, 'input[0].role', 'invalid_value'],
    [
      { input: [{ type: 'function_call', call_id: 'a' }] },
      'input[0].name',
      'missing_required_parameter',
    ],
    [{ temperature: 2.1 }, 'temperature', 'invalid_value'],
    [{ max_output_tokens: 0 }, 'max_output_tokens', 'invalid_value'],
    [{ top_logprobs: 21 }, 'top_logprobs', 'invalid_value'],
    [{ stream: 'yes' }, 'stream', 'invalid_value'],
    [
      { tools: [{ type: 'function', name: 'n'.repeat(TOOL_NAME_CHARACTERS_MAX + 1) }] },
      'tools[0].name',
      'invalid_value',
    ],
    [{ text: { format: { type: 'xml' } } }, 'text.format.type', 'invalid_value'],
    [
      { text: { format: { type: 'json_schema', schema: {} } } },
      'text.format.name',
      'missing_required_parameter',
    ],
    [{ background: true }, 'background', 'unsupported_parameter'],
    [{ conversation: 'conv_1' }, 'conversation', 'unsupported_parameter'],
    [{ base_url: 'http://localhost' }, 'base_url', 'unknown_parameter'],
  ])('refuses %j and names %s', (fields, param, reason) => {
    expect(refusalOf(withFields(fields))).toMatchObject({
      code: 'invalid_request',
      facts: { param, reason },
    });
  });

  test('refuses two keys of one name', () => {
    const body = new TextEncoder().encode('{"model":"a","model":"b","input":"Hello"}');
    expect(refusalOf(body).facts.reason).toBe('duplicate_key');
  });

  test('answers any JSON object with facts or a refusal', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (fields) => {
        try {
          expect(parseResponsesRequest(withFields(fields)).model).toBe(fields.model ?? 'm');
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_request' });
        }
      }),
    );
  });
});
