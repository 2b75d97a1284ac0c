/** A complete answer of each provider's dialect, whole and as the values of its stream's events. */
import { type ClientDialect, type ErrorCode, GatewayError } from '@gateway/protocol';
import type { ProviderDialect } from '../src/index.ts';

export interface ProviderAnswer {
  readonly whole: object;
  readonly events: readonly object[];
  /** What stands behind the last event, if anything does. */
  readonly mark?: string;
  /** An error with status 200, as the vendor says it. */
  readonly error: object;
  readonly errorCode: ErrorCode;
}

/** Each client's dialect with each that a provider may be asked in for it. */
export const PAIRS = (['chat', 'messages', 'gemini', 'responses'] as const).flatMap((client) =>
  (['chat', 'messages', 'gemini', 'responses'] as const)
    .filter((provider) => provider !== 'responses' || client === 'responses')
    .map((provider): [ClientDialect, ProviderDialect] => [client, provider]),
);

/** The least that a client of each dialect may ask. */
export const PLAIN_REQUESTS: Readonly<Record<ClientDialect, object>> = {
  chat: { model: 'asked', messages: [{ role: 'user', content: 'Hello' }] },
  messages: { model: 'asked', max_tokens: 9, messages: [{ role: 'user', content: 'Hello' }] },
  gemini: { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] },
  responses: { model: 'asked', input: 'Hello' },
};

const chatChoice = (delta: object, finish: string | null = null) => ({
  id: 'c',
  object: 'chat.completion.chunk',
  created: 1,
  model: 'm',
  choices: [{ index: 0, delta, finish_reason: finish }],
});
const call = { id: 'call_1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } };
const chatUsage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };

const chat: ProviderAnswer = {
  whole: {
    id: 'c',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'né', reasoning_content: 'Hm.', tool_calls: [call] },
        finish_reason: 'tool_calls',
      },
    ],
    usage: chatUsage,
  },
  events: [
    chatChoice({ role: 'assistant', content: 'né' }),
    chatChoice({ reasoning_content: 'Hm.' }),
    chatChoice({ tool_calls: [{ index: 0, ...call }] }),
    chatChoice({}, 'tool_calls'),
    { id: 'c', object: 'chat.completion.chunk', created: 1, choices: [], usage: chatUsage },
  ],
  mark: '[DONE]',
  error: { error: { message: 'The engine failed.', type: 'server_error', code: null } },
  errorCode: 'provider_unavailable',
};

const toolUse = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} };

const messages: ProviderAnswer = {
  whole: {
    id: 'm',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: [
      { type: 'thinking', thinking: 'Hm.', signature: 'c2lnbmVk' },
      { type: 'text', text: 'né' },
      { ...toolUse, input: { a: 1 } },
    ],
    stop_reason: 'tool_use',
    stop_sequence: null,
    usage: { input_tokens: 3, output_tokens: 2 },
  },
  events: [
    {
      type: 'message_start',
      message: {
        id: 'm',
        type: 'message',
        role: 'assistant',
        model: 'm',
        content: [],
        usage: { input_tokens: 3, output_tokens: 1 },
      },
    },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    { type: 'ping' },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'né' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'content_block_start', index: 1, content_block: toolUse },
    {
      type: 'content_block_delta',
      index: 1,
      delta: { type: 'input_json_delta', partial_json: '{"a":1}' },
    },
    { type: 'content_block_stop', index: 1 },
    { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 2 } },
    { type: 'message_stop' },
  ],
  error: { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
  errorCode: 'provider_overloaded',
};

const geminiEnd = {
  candidates: [
    {
      index: 0,
      content: { role: 'model', parts: [{ functionCall: { name: 'f', args: { a: 1 } } }] },
      finishReason: 'STOP',
    },
  ],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 2, totalTokenCount: 5 },
  modelVersion: 'm',
  responseId: 'g',
};

const gemini: ProviderAnswer = {
  whole: geminiEnd,
  events: [
    {
      candidates: [
        { index: 0, content: { role: 'model', parts: [{ text: 'Hm.', thought: true }] } },
      ],
      responseId: 'g',
    },
    { candidates: [{ index: 0, content: { role: 'model', parts: [{ text: 'né' }] } }] },
    geminiEnd,
  ],
  error: { error: { code: 503, message: 'Overloaded', status: 'UNAVAILABLE' } },
  errorCode: 'provider_overloaded',
};

const output = [
  {
    type: 'message',
    id: 'msg_1',
    role: 'assistant',
    status: 'completed',
    content: [{ type: 'output_text', text: 'né', annotations: [] }],
  },
];
const responseUsage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 };
const response = (status: string, more: object) => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  model: 'm',
  status,
  output: [],
  ...more,
});

const responses: ProviderAnswer = {
  whole: response('completed', { output, usage: responseUsage }),
  events: [
    { type: 'response.created', sequence_number: 0, response: response('in_progress', {}) },
    {
      type: 'response.output_text.delta',
      sequence_number: 1,
      item_id: 'msg_1',
      output_index: 0,
      content_index: 0,
      delta: 'né',
    },
    {
      type: 'response.completed',
      sequence_number: 2,
      response: response('completed', { output, usage: responseUsage }),
    },
  ],
  error: { error: { message: 'The engine failed.', type: 'server_error', code: null } },
  errorCode: 'provider_unavailable',
};

export const ANSWERS: Readonly<Record<ProviderDialect, ProviderAnswer>> = {
  chat,
  messages,
  gemini,
  responses,
};

/** The stream of these events, or of all. */
export function streamOf(provider: ProviderDialect, events = ANSWERS[provider].events): string {
  const { mark } = ANSWERS[provider];
  const data = [
    ...events.map((event) => JSON.stringify(event)),
    ...(mark === undefined ? [] : [mark]),
  ];
  return data.map((text) => `data: ${text}\n\n`).join('');
}

/** Runs an action to its end or to a GatewayError, whose code it gives; anything else is a bug. */
export function codeOf(action: () => unknown): string {
  try {
    action();
    return 'none';
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
}
