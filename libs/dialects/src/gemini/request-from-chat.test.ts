import { describe, expect, test } from 'vitest';
import { asChatRequest } from '../chat/parse-request.ts';
import { geminiRequestFromChat } from './request-from-chat.ts';

const hello = [{ role: 'user', content: 'Hello' }];
const schema = { type: 'object', properties: { a: { type: 'string' } } };
const tool = { type: 'function', function: { name: 'f', description: 'd', parameters: schema } };

function requestOf(fields: object, model = 'gemini-2.5-flash', stream = false) {
  return geminiRequestFromChat(
    asChatRequest({ model: 'asked', messages: hello, ...fields }),
    model,
    stream,
  );
}

const call = (id: string, name: string, args: string, more: object = {}) => ({
  id,
  type: 'function',
  function: { name, arguments: args },
  ...more,
});

describe('geminiRequestFromChat', () => {
  test.each([
    ['gemini-2.5-flash', false, '/v1beta/models/gemini-2.5-flash:generateContent'],
    ['gemini-2.5-flash', true, '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse'],
    ['tunedModels/mine', false, '/v1beta/tunedModels/mine:generateContent'],
    ['a?b#c:d e', false, '/v1beta/models/a%3Fb%23c%3Ad%20e:generateContent'],
  ])('asks %s (stream: %s) at %s', (model, stream, path) => {
    expect(requestOf({}, model, stream).path).toBe(path);
  });

  test.each(['..', 'models/../x', '/', 'a//b', '.'])('has no path for %j', (model) => {
    expect(() => requestOf({}, model)).toThrow(
      expect.objectContaining({ facts: expect.objectContaining({ param: 'model' }) }),
    );
  });

  test.each<[string, object[], object]>([
    ['a question', hello, { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] }],
    [
      'instructions in front',
      [...hello, { role: 'system', content: 'One.' }, { role: 'developer', content: 'Two.' }],
      {
        systemInstruction: { parts: [{ text: 'One.\n\nTwo.' }] },
        contents: [{ role: 'user', parts: [{ text: 'Hello' }] }],
      },
    ],
    [
      'images, sounds and files',
      [
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
            { type: 'image_url', image_url: { url: 'https://a.test/b.WEBP?c=d' } },
            { type: 'image_url', image_url: { url: 'https://a.test/b' } },
            { type: 'input_audio', input_audio: { data: 'BBBB', format: 'wav' } },
            { type: 'file', file: { file_data: 'data:application/pdf;base64,CCCC' } },
          ],
        },
      ],
      {
        contents: [
          {
            role: 'user',
            parts: [
              { inlineData: { mimeType: 'image/png', data: 'AAAA' } },
              { fileData: { mimeType: 'image/webp', fileUri: 'https://a.test/b.WEBP?c=d' } },
              { fileData: { mimeType: 'image/jpeg', fileUri: 'https://a.test/b' } },
              { inlineData: { mimeType: 'audio/wav', data: 'BBBB' } },
              { inlineData: { mimeType: 'application/pdf', data: 'CCCC' } },
            ],
          },
        ],
      },
    ],
    [
      'parallel calls, and their results in one turn and in the order of the calls',
      [
        ...hello,
        {
          role: 'assistant',
          content: 'Wait.',
          tool_calls: [call('c1', 'f', '{"a":1}'), call('c2', 'g', '')],
        },
        { role: 'tool', tool_call_id: 'c2', content: '{"b":2}' },
        { role: 'tool', tool_call_id: 'c1', content: '[1]' },
        { role: 'user', content: 'Well?' },
      ],
      {
        contents: [
          { role: 'user', parts: [{ text: 'Hello' }] },
          {
            role: 'model',
            parts: [
              { text: 'Wait.' },
              { functionCall: { name: 'f', args: { a: 1 } } },
              { functionCall: { name: 'g', args: {} } },
            ],
          },
          {
            role: 'user',
            parts: [
              { functionResponse: { name: 'f', response: { result: '[1]' } } },
              { functionResponse: { name: 'g', response: { b: 2 } } },
            ],
          },
          { role: 'user', parts: [{ text: 'Well?' }] },
        ],
      },
    ],
  ])('writes %s', (_name, messages, expected) => {
    expect(requestOf({ messages }).body).toEqual(expected);
  });

  test('gives newer models the signatures of their calls, or says that there is none', () => {
    const signed = { extra_content: { google: { thought_signature: 'sig' } } };
    const messages = [
      ...hello,
      { role: 'assistant', tool_calls: [call('c', 'f', '{}', signed), call('d', 'f', '{}')] },
      { role: 'assistant', tool_calls: [call('e', 'f', '{}')] },
    ];
    const signatures = (model: string) =>
      (requestOf({ messages }, model).body.contents as { parts: object[] }[])
        .flatMap(({ parts }) => parts as { functionCall?: object; thoughtSignature?: string }[])
        .filter(({ functionCall }) => functionCall !== undefined)
        .map(({ thoughtSignature }) => thoughtSignature);
    const none = 'skip_thought_signature_validator';
    expect(signatures('gemini-3-pro-preview')).toEqual(['sig', undefined, none]);
    expect(signatures('gemini-2.5-pro')).toEqual(['sig', undefined, undefined]);
  });

  test.each<[object, object]>([
    [
      { temperature: 1.5, top_p: 0.9, max_tokens: 5, seed: 7, n: 2 },
      { temperature: 1.5, topP: 0.9, maxOutputTokens: 5, seed: 7, candidateCount: 2 },
    ],
    [
      { max_tokens: 5, max_completion_tokens: 6, presence_penalty: 0, frequency_penalty: 1 },
      { maxOutputTokens: 6, presencePenalty: 0, frequencyPenalty: 1 },
    ],
    [{ stop: 'a' }, { stopSequences: ['a'] }],
    [{ response_format: { type: 'json_object' } }, { responseMimeType: 'application/json' }],
    [
      { response_format: { type: 'json_schema', json_schema: { name: 'n', schema } } },
      { responseMimeType: 'application/json', responseJsonSchema: schema },
    ],
    [
      { reasoning_effort: 'medium' },
      { thinkingConfig: { thinkingBudget: 8_192, includeThoughts: true } },
    ],
    [
      { reasoning_effort: 'none' },
      { thinkingConfig: { thinkingBudget: 0, includeThoughts: false } },
    ],
  ])('configures %j as %j', (fields, generationConfig) => {
    expect(requestOf(fields).body.generationConfig).toEqual(generationConfig);
  });

  test('configures nothing when nothing is asked', () => {
    const fields = { temperature: null, n: 1, response_format: { type: 'text' }, logit_bias: {} };
    expect(requestOf(fields).body).not.toHaveProperty('generationConfig');
  });

  test('gives newer models a level to think at', () => {
    const { generationConfig } = requestOf({ reasoning_effort: 'low' }, 'gemini-3-pro').body;
    expect(generationConfig).toEqual({
      thinkingConfig: { thinkingLevel: 'low', includeThoughts: true },
    });
  });

  test.each<[unknown, object | undefined]>([
    [undefined, undefined],
    ['auto', { mode: 'AUTO' }],
    ['none', { mode: 'NONE' }],
    ['required', { mode: 'ANY' }],
    [
      { type: 'function', function: { name: 'f' } },
      { mode: 'ANY', allowedFunctionNames: ['f'] },
    ],
  ])('offers tools with the choice %j', (choice, expected) => {
    const { tools, toolConfig } = requestOf({ tools: [tool], tool_choice: choice }).body;
    expect(tools).toEqual([
      { functionDeclarations: [{ name: 'f', description: 'd', parametersJsonSchema: schema }] },
    ]);
    expect(toolConfig).toEqual(expected && { functionCallingConfig: expected });
  });

  const user = (part: object) => [{ role: 'user', content: [part] }];
  test.each<[string, object]>([
    ['messages[0].tool_call_id', { messages: [{ role: 'tool', tool_call_id: 'x', content: '' }] }],
    [
      'messages[0].content[0].image_url.url',
      { messages: user({ type: 'image_url', image_url: { url: 'gopher://a' } }) },
    ],
    ['messages[0].content[0].type', { messages: user({ type: 'video_url' }) }],
    [
      'messages[0].content[0].file',
      { messages: user({ type: 'file', file: { file_id: 'file-1' } }) },
    ],
    ['messages', { messages: [{ role: 'user', content: [] }] }],
    ['tools[0].type', { tools: [{ type: 'web_search' }] }],
  ])('names %s in its refusal of %j', (param, fields) => {
    expect(() => requestOf(fields)).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        facts: expect.objectContaining({ param }),
      }),
    );
  });
});
