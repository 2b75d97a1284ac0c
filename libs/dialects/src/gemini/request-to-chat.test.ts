import { describe, expect, test } from 'vitest';
import { asChatRequest } from '../chat/parse-request.ts';
import { geminiRequestFromChat } from './request-from-chat.ts';
import { geminiRequestToChat } from './request-to-chat.ts';
import { GEMINI_PARAMETER_SUPPORT } from './support.ts';

const HELLO = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] };
const PNG = 'iVBORw0KGgo=';

function refusal(param: string, reason?: string) {
  const facts = expect.objectContaining({ param, ...(reason !== undefined && { reason }) });
  return expect.objectContaining({ code: 'invalid_request', facts });
}

describe('a conversation of Google', () => {
  test('becomes messages, with the instruction in front', () => {
    const request = geminiRequestToChat({
      system_instruction: { parts: { text: 'Be brief.' } },
      contents: [
        { parts: [{ text: 'Hello' }] },
        { role: 'model', parts: [{ text: 'Hi. ' }, { text: 'What now?' }] },
        { role: 'user', parts: [{ text: 'This.' }, { text: 'And that.' }] },
      ],
    });
    expect(request.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello' },
      { role: 'assistant', content: 'Hi. What now?' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'This.' },
          { type: 'text', text: 'And that.' },
        ],
      },
    ]);
  });

  test('keeps results with their calls, named or not', () => {
    const call = (name: string, id?: string) => ({
      functionCall: { name, args: { of: name }, ...(id && { id }) },
    });
    const result = (name: string, text: string, id?: string) => ({
      functionResponse: { name, response: { result: text }, ...(id && { id }) },
    });
    const { messages } = geminiRequestToChat({
      contents: [
        { role: 'user', parts: [{ text: 'Look.' }] },
        { role: 'model', parts: [call('a'), call('a'), call('b', 'named')] },
        {
          role: 'user',
          parts: [
            result('b', 'third', 'named'),
            result('a', 'first'),
            { text: 'And?' },
            { functionResponse: { name: 'a', response: { rows: [1] } } },
          ],
        },
      ],
    });
    expect(messages.slice(1)).toMatchObject([
      { role: 'assistant', tool_calls: [{ id: 'call_0' }, { id: 'call_1' }, { id: 'named' }] },
      { role: 'tool', tool_call_id: 'named', content: 'third' },
      { role: 'tool', tool_call_id: 'call_0', content: 'first' },
      { role: 'tool', tool_call_id: 'call_1', content: '{"rows":[1]}' },
      { role: 'user', content: 'And?' },
    ]);
  });

  test('refuses a result without a call', () => {
    const parts = [{ functionResponse: { name: 'a', response: {} } }];
    expect(() => geminiRequestToChat({ contents: [{ role: 'user', parts }] })).toThrowError(
      refusal('contents[0].parts[0].functionResponse.name'),
    );
  });

  test.each([
    [
      { inlineData: { mimeType: 'image/png', data: PNG } },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } },
    ],
    [
      { inline_data: { mime_type: 'audio/mpeg', data: '_-8=' } },
      { type: 'input_audio', input_audio: { data: '/+8=', format: 'mp3' } },
    ],
    [
      { inlineData: { mimeType: 'application/pdf', data: PNG } },
      {
        type: 'file',
        file: { file_data: `data:application/pdf;base64,${PNG}`, filename: 'document' },
      },
    ],
    [
      { fileData: { mimeType: 'image/jpeg', fileUri: 'https://example.com/a.jpg' } },
      { type: 'image_url', image_url: { url: 'https://example.com/a.jpg' } },
    ],
  ])('takes the media of %j', (part, expected) => {
    const { messages } = geminiRequestToChat({ contents: [{ role: 'user', parts: [part] }] });
    expect(messages).toEqual([{ role: 'user', content: [expected] }]);
  });

  test.each([
    [{ inlineData: { mimeType: 'video/mp4', data: PNG } }, 'inlineData.mimeType'],
    [
      {
        fileData: {
          mimeType: 'image/png',
          fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/abc',
        },
      },
      'fileData.fileUri',
    ],
    [{ fileData: { mimeType: 'video/*', fileUri: 'https://youtu.be/x' } }, 'fileData.fileUri'],
    [{ executableCode: { language: 'PYTHON', code: '1' } }, 'executableCode'],
  ])('refuses %j by its name', (part, name) => {
    expect(() => geminiRequestToChat({ contents: [{ parts: [part] }] })).toThrowError(
      refusal(`contents[0].parts[0].${name}`),
    );
  });

  test('gives Google’s signature back with the call that it came with', () => {
    const contents = [
      { role: 'user', parts: [{ text: 'Look.' }] },
      {
        role: 'model',
        parts: [{ functionCall: { name: 'a', args: {} }, thoughtSignature: 'c2lnbmVk' }],
      },
    ];
    const again = geminiRequestFromChat(geminiRequestToChat({ contents }), 'gemini-3-pro', false);
    expect(again.body.contents).toEqual(contents);
  });
});

describe('what a client of Google asks for', () => {
  test('is said in terms of chat completions, and is a valid request of it', () => {
    const request = geminiRequestToChat({
      ...HELLO,
      tools: [
        {
          functionDeclarations: [
            { name: 'a', description: 'Does a.', parametersJsonSchema: { type: 'object' } },
            { name: 'b', parameters: { type: 'OBJECT', properties: {} } },
          ],
        },
        { functionDeclarations: [{ name: 'c' }] },
      ],
      toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['a', 'b'] } },
      generationConfig: {
        temperature: 0.5,
        topP: 0.9,
        topK: 40,
        maxOutputTokens: '100',
        candidateCount: 2,
        stopSequences: ['END'],
        seed: 7,
        presencePenalty: 0.1,
        frequencyPenalty: 0.2,
      },
      safetySettings: [{ category: 'HARM_CATEGORY_HATE_SPEECH', threshold: 'BLOCK_NONE' }],
    });
    expect(request).toEqual({
      model: '',
      messages: [{ role: 'user', content: 'Hello' }],
      tools: [
        {
          type: 'function',
          function: { name: 'a', description: 'Does a.', parameters: { type: 'object' } },
        },
        {
          type: 'function',
          function: { name: 'b', parameters: { type: 'object', properties: {} } },
        },
      ],
      tool_choice: 'required',
      temperature: 0.5,
      top_p: 0.9,
      top_k: 40,
      max_completion_tokens: 100,
      n: 2,
      stop: ['END'],
      seed: 7,
      presence_penalty: 0.1,
      frequency_penalty: 0.2,
    });
    expect(asChatRequest({ ...request, model: 'm' })).toMatchObject({ n: 2 });
  });

  test.each([
    [{ mode: 'AUTO' }, 'auto'],
    [{ mode: 'validated' }, 'auto'],
    [{ mode: 'NONE' }, 'none'],
    [{ mode: 'ANY' }, 'required'],
    [
      { mode: 'ANY', allowedFunctionNames: ['a'] },
      { type: 'function', function: { name: 'a' } },
    ],
    [{}, undefined],
  ])('chooses tools as %j says', (functionCallingConfig, choice) => {
    const request = geminiRequestToChat({
      ...HELLO,
      tools: [{ functionDeclarations: [{ name: 'a' }] }],
      toolConfig: { functionCallingConfig },
    });
    expect(request.tool_choice).toEqual(choice);
  });

  test.each([
    [{ thinkingLevel: 'HIGH' }, 'high'],
    [{ thinking_level: 'minimal' }, 'minimal'],
    [{ thinkingBudget: 0 }, 'none'],
    [{ thinkingBudget: -1 }, undefined],
    [{ thinkingBudget: 1_024 }, 'low'],
    [{ thinkingBudget: 1_025 }, 'medium'],
    [{ thinkingBudget: 8_192 }, 'medium'],
    [{ thinkingBudget: 8_193 }, 'high'],
    [{ includeThoughts: true }, undefined],
  ])('thinks as %j says', (thinkingConfig, effort) => {
    const request = geminiRequestToChat({ ...HELLO, generationConfig: { thinkingConfig } });
    expect(request.reasoning_effort).toBe(effort);
  });

  test('wants JSON, with either kind of schema', () => {
    const formatOf = (config: object) =>
      geminiRequestToChat({
        ...HELLO,
        generationConfig: { responseMimeType: 'application/json', ...config },
      }).response_format;
    expect(formatOf({})).toEqual({ type: 'json_object' });
    expect(formatOf({ responseJsonSchema: { type: 'object' } })).toMatchObject({
      json_schema: { schema: { type: 'object' } },
    });
    const own = {
      type: 'OBJECT',
      required: ['my_name'],
      propertyOrdering: ['my_name', 'rows'],
      properties: {
        my_name: { type: 'STRING', nullable: true, enum: ['a'] },
        rows: { type: 'ARRAY', min_items: '1', items: { type: 'INTEGER', format: 'int32' } },
        either: { anyOf: [{ type: 'STRING' }, { type: 'NUMBER' }], nullable: true },
      },
    };
    expect(formatOf({ response_schema: own })).toEqual({
      type: 'json_schema',
      json_schema: {
        name: 'response',
        schema: {
          type: 'object',
          required: ['my_name'],
          properties: {
            my_name: { type: ['string', 'null'], enum: ['a', null] },
            rows: { type: 'array', minItems: 1, items: { type: 'integer', format: 'int32' } },
            either: {
              anyOf: [{ anyOf: [{ type: 'string' }, { type: 'number' }] }, { type: 'null' }],
            },
          },
        },
      },
    });
  });

  test.each([
    [{ tools: [{ googleSearch: {} }] }, 'tools[0].googleSearch'],
    [{ tools: { code_execution: {} } }, 'tools[0].codeExecution'],
    [{ cachedContent: 'cachedContents/1' }, 'cachedContent'],
    [
      { generationConfig: { responseModalities: ['IMAGE'] } },
      'generationConfig.responseModalities',
    ],
    [{ generationConfig: { responseLogprobs: true } }, 'generationConfig.responseLogprobs'],
    [{ generationConfig: { speechConfig: {} } }, 'generationConfig.speechConfig'],
    [
      { generationConfig: { responseMimeType: 'text/x.enum' } },
      'generationConfig.responseMimeType',
    ],
  ])('is refused by its name where only Google has it: %j', (fields, param) => {
    expect(() => geminiRequestToChat({ ...HELLO, ...fields })).toThrowError(
      refusal(param, 'unsupported_parameter'),
    );
  });

  const SAMPLES: Readonly<Record<string, unknown>> = {
    contents: HELLO.contents,
    systemInstruction: { parts: [{ text: 'a' }] },
    tools: [{ functionDeclarations: [{ name: 'a' }] }],
    cachedContent: 'cachedContents/1',
    responseLogprobs: true,
    stopSequences: ['a'],
    responseMimeType: 'application/json',
    responseSchema: { type: 'OBJECT' },
    responseJsonSchema: { type: 'object' },
    responseModalities: ['TEXT'],
    thinkingConfig: { thinkingLevel: 'low' },
    toolConfig: { functionCallingConfig: { mode: 'NONE' } },
    safetySettings: [{}],
    labels: {},
    speechConfig: {},
  };
  /** Parameters that say nothing without another. */
  const WITH: Readonly<Record<string, object>> = {
    toolConfig: { tools: [{ functionDeclarations: [{ name: 'a' }] }] },
    responseSchema: { generationConfig: { responseMimeType: 'application/json' } },
    responseJsonSchema: { generationConfig: { responseMimeType: 'application/json' } },
  };

  test.each(Object.entries(GEMINI_PARAMETER_SUPPORT))('%s is %s', (param, support) => {
    const [name = '', isSetting] = [param.split('.').at(-1), param.includes('.')];
    const value = SAMPLES[name] ?? 1;
    const without: { contents: unknown; generationConfig?: object } = { ...HELLO, ...WITH[name] };
    const settings = without.generationConfig ?? {};
    const body = isSetting
      ? { ...without, generationConfig: { ...settings, [name]: value } }
      : { ...without, [name]: value };
    if (support === 'refused') {
      expect(() => geminiRequestToChat(body)).toThrowError(refusal(param));
      return;
    }
    const translated = geminiRequestToChat(body);
    const isSeen = JSON.stringify(translated) !== JSON.stringify(geminiRequestToChat(without));
    const saysNothing = ['contents', 'responseModalities'].includes(name);
    expect(isSeen).toBe(support === 'translated' && !saysNothing);
  });

  test('is refused where one field comes in two spellings', () => {
    const part = { inlineData: { mimeType: 'a/b', data: '' }, inline_data: { data: '' } };
    expect(() => geminiRequestToChat({ contents: [{ parts: [part] }] })).toThrowError(
      refusal('contents[0].parts[0].inlineData', 'duplicate_key'),
    );
  });

  test.each([
    [{}, 'contents'],
    [{ contents: [] }, 'contents'],
    [{ contents: [{ parts: [{ text: 1 }] }] }, 'contents[0].parts[0].text'],
    [{ contents: [{ role: 'system', parts: [] }] }, 'contents[0].role'],
  ])('is refused by the field that is wrong in %j', (body, param) => {
    expect(() => geminiRequestToChat(body)).toThrowError(refusal(param));
  });
});
