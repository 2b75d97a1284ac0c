/** Requests that say as much as their dialect can and others take. */

const SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
};
const PIXEL = 'iVBORw0KGgo=';

const messages = {
  conversation: {
    model: 'asked',
    max_tokens: 100,
    system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
    stop_sequences: ['END'],
    temperature: 0.5,
    top_p: 0.9,
    top_k: 5,
    metadata: { user_id: 'u' },
    tools: [
      {
        name: 'weather',
        description: 'Tells the weather.',
        input_schema: SCHEMA,
        cache_control: { type: 'ephemeral' },
      },
    ],
    tool_choice: { type: 'any', disable_parallel_tool_use: true },
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Where?', cache_control: { type: 'ephemeral' } },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
          { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
          {
            type: 'document',
            title: 'a.pdf',
            source: { type: 'base64', media_type: 'application/pdf', data: PIXEL },
          },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'Hm.', signature: 'c2lnbmVk' },
          { type: 'redacted_thinking', data: 'aGlkZGVu' },
          { type: 'text', text: 'I ask.' },
          { type: 'tool_use', id: 'toolu_1', name: 'weather', input: { city: 'Oslo' } },
          { type: 'tool_use', id: 'toolu_2', name: 'weather', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          {
            type: 'tool_result',
            tool_use_id: 'toolu_1',
            content: [
              { type: 'text', text: 'Snow.' },
              { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
            ],
          },
          { type: 'tool_result', tool_use_id: 'toolu_2', is_error: true, content: 'No city.' },
          { type: 'text', text: 'And now?' },
        ],
      },
    ],
  },
  thinking: {
    model: 'asked',
    max_tokens: 4096,
    thinking: { type: 'enabled', budget_tokens: 2048 },
    messages: [{ role: 'user', content: 'Think.' }],
  },
  'a schema': {
    model: 'asked',
    max_tokens: 100,
    output_config: { effort: 'max', format: { type: 'json_schema', schema: SCHEMA } },
    messages: [{ role: 'user', content: 'Where?' }],
  },
};

const gemini = {
  conversation: {
    systemInstruction: { parts: [{ text: 'Be brief.' }] },
    contents: [
      {
        role: 'user',
        parts: [
          { text: 'Where?' },
          { inlineData: { mimeType: 'image/png', data: PIXEL } },
          { inlineData: { mimeType: 'application/pdf', data: PIXEL } },
          { inlineData: { mimeType: 'audio/wav', data: PIXEL } },
        ],
      },
      {
        role: 'model',
        parts: [
          { text: 'Hm.', thought: true },
          { text: 'I ask.', thoughtSignature: 'c2lnbmVk' },
          { functionCall: { name: 'weather', args: { city: 'Oslo' } } },
          { functionCall: { name: 'weather', args: {} } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { name: 'weather', response: { output: 'Snow.' } } },
          { functionResponse: { name: 'weather', response: { error: 'No city.' } } },
        ],
      },
    ],
    tools: [{ functionDeclarations: [{ name: 'weather', parameters: SCHEMA }] }],
    toolConfig: { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['weather'] } },
    generationConfig: {
      maxOutputTokens: 100,
      stopSequences: ['END'],
      temperature: 0.5,
      topP: 0.9,
      topK: 5,
      candidateCount: 2,
      seed: 7,
      presencePenalty: 0.5,
      frequencyPenalty: 0.5,
    },
    labels: { team: 'a' },
  },
  'thinking and a schema': {
    contents: [{ parts: [{ text: 'Where?' }] }],
    generationConfig: {
      thinkingConfig: { thinkingBudget: 1024, includeThoughts: true },
      responseMimeType: 'application/json',
      responseSchema: { type: 'OBJECT', properties: { city: { type: 'STRING' } } },
    },
  },
  logprobs: {
    contents: [{ parts: [{ text: 'Where?' }] }],
    generationConfig: { responseLogprobs: true, logprobs: 3 },
  },
};

const responses = {
  conversation: {
    model: 'asked',
    instructions: 'Be brief.',
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'Where?' },
          { type: 'input_image', image_url: 'https://example.com/a.png', detail: 'low' },
          {
            type: 'input_file',
            filename: 'a.pdf',
            file_data: `data:application/pdf;base64,${PIXEL}`,
          },
        ],
      },
      {
        type: 'message',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'I ask.', annotations: [] }],
      },
      { type: 'function_call', call_id: 'c1', name: 'weather', arguments: '{"city":"Oslo"}' },
      { type: 'custom_tool_call', call_id: 'c2', name: 'patch', input: 'a' },
      { type: 'function_call_output', call_id: 'c1', output: 'Snow.' },
      { type: 'custom_tool_call_output', call_id: 'c2', output: 'Done.' },
    ],
    tools: [
      { type: 'function', name: 'weather', parameters: SCHEMA, strict: true },
      { type: 'custom', name: 'patch', description: 'Applies a patch.' },
    ],
    tool_choice: 'required',
    parallel_tool_calls: false,
    temperature: 0.5,
    top_p: 0.9,
    max_output_tokens: 100,
    metadata: { team: 'a' },
    store: false,
    safety_identifier: 'u',
    prompt_cache_key: 'k',
    service_tier: 'flex',
  },
  'reasoning and a schema': {
    model: 'asked',
    input: 'Where?',
    store: false,
    reasoning: { effort: 'low', summary: 'auto' },
    include: ['reasoning.encrypted_content'],
    text: {
      verbosity: 'low',
      format: { type: 'json_schema', name: 'a', schema: SCHEMA, strict: true },
    },
  },
};

export const RICH_REQUESTS: Readonly<
  Record<'messages' | 'gemini' | 'responses', Readonly<Record<string, object>>>
> = { messages, gemini, responses };
