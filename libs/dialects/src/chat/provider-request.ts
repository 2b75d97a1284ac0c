import { isObject, type JsonObject } from '../json/read-json.ts';
import type { TranslatedRequest } from '../translator.ts';
import type { ChatRequest } from './chat-request.ts';

/**
 * What the hub's messages, parts and tools may hold beyond OpenAI's own: OpenAI answers 400 for a
 * name that it does not know.
 */
const ADDITIONS: readonly string[] = ['cache_control', 'reasoning_details', 'extra_content'];

/** The request that another dialect's became, as a server of this dialect wants it. */
export function providerRequestFromChat(
  request: ChatRequest,
  model: string,
  stream: boolean,
): TranslatedRequest {
  const { stream: _stream, stream_options: _options, ...rest } = request;
  const { max_completion_tokens: completion, max_tokens: maxTokens, ...fields } = rest;
  const limit = completion ?? maxTokens;
  const { messages, tools } = request;
  return {
    path: '/chat/completions',
    headers: {},
    body: {
      ...fields,
      model,
      messages: messages.map(plainMessage),
      ...(tools != null && { tools: tools.map((tool) => without(tool)) }),
      ...(limit != null && { [limitName(model)]: limit }),
      ...(stream && { stream: true, stream_options: { include_usage: true } }),
    },
  };
}

/** OpenAI's newer models know the new name alone, most other servers the old one alone. */
function limitName(model: string): 'max_completion_tokens' | 'max_tokens' {
  return /(?:^|\/)(?:gpt-|chatgpt-|o\d)/.test(model) ? 'max_completion_tokens' : 'max_tokens';
}

function plainMessage(message: JsonObject): JsonObject {
  const { content, tool_calls: calls } = message;
  return {
    ...without(message),
    ...(Array.isArray(content) && { content: content.map(plainItem) }),
    ...(Array.isArray(calls) && { tool_calls: calls.map(plainItem) }),
  };
}

function plainItem(item: unknown): unknown {
  return isObject(item) ? without(item) : item;
}

function without(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !ADDITIONS.includes(name)));
}
