import { isObject, type JsonObject } from '../json/read-json.ts';
import type { TranslatedRequest } from '../translator.ts';
import type { ChatMessage, ChatRequest } from './chat-request.ts';
import { withMediaBehindTools } from './tool-media.ts';

/**
 * What the hub's messages, parts and tools may hold beyond OpenAI's own: OpenAI answers 400 for a
 * name that it does not know.
 */
const ADDITIONS: readonly string[] = [
  'cache_control',
  'reasoning_details',
  'extra_content',
  'is_error',
];

/** Models that want their thoughts back as text. Others refuse a field of that name. */
const WANTS_THOUGHTS = /deepseek|kimi/i;
/** Models of OpenAI that do not reason, and refuse to be asked how much. */
const REASONS_NOT = /(?:^|\/)(?:gpt-3|gpt-4|chatgpt-)/;
/** Models that can be asked not to reason; the earlier ones refuse the word. */
const TAKES_NO_EFFORT = /(?:^|\/)gpt-(?:5\.\d|[6-9])/;
/** Models of OpenAI that can be told where a prefix ends that is worth caching. */
const TAKES_BREAKPOINTS = /(?:^|\/)gpt-(?:5\.(?:[6-9]|\d\d)|[6-9])/;

/** The request that another dialect's became, as a server of this dialect wants it. */
export function providerRequestFromChat(
  request: ChatRequest,
  model: string,
  stream: boolean,
): TranslatedRequest {
  const { stream: _stream, stream_options: _options, top_k: _topK, ...rest } = request;
  const { max_completion_tokens: completion, max_tokens: maxTokens, ...limited } = rest;
  const { reasoning_effort: _effort, ...fields } = limited;
  const limit = completion ?? maxTokens;
  const effort = effortFor(model, request.reasoning_effort);
  const { messages, tools } = request;
  return {
    path: '/chat/completions',
    headers: {},
    body: {
      ...fields,
      model,
      messages: withMediaBehindTools(messages).map((message) => plainMessage(message, model)),
      ...(tools != null && { tools: tools.map(without) }),
      ...(limit != null && { [limitName(model)]: limit }),
      ...(effort !== undefined && { reasoning_effort: effort }),
      ...(stream && { stream: true, stream_options: { include_usage: true } }),
    },
  };
}

/** OpenAI's newer models know the new name alone, most other servers the old one alone. */
function limitName(model: string): 'max_completion_tokens' | 'max_tokens' {
  return /(?:^|\/)(?:gpt-|chatgpt-|o\d)/.test(model) ? 'max_completion_tokens' : 'max_tokens';
}

function effortFor(model: string, effort: string | null | undefined): string | undefined {
  if (effort == null || REASONS_NOT.test(model)) return undefined;
  if (effort === 'none' && !TAKES_NO_EFFORT.test(model)) return undefined;
  return effort === 'max' ? 'xhigh' : effort;
}

function plainMessage(message: ChatMessage, model: string): JsonObject {
  const { content, tool_calls: calls, reasoning_content: thoughts, ...rest } = message;
  return {
    ...without(rest),
    ...(content !== undefined && { content: plainContent(content, model) }),
    ...(calls !== undefined && { tool_calls: plainItems(calls) }),
    ...(thoughts !== undefined && WANTS_THOUGHTS.test(model) && { reasoning_content: thoughts }),
  };
}

/** One text is a string: some servers take no parts but the user's. */
function plainContent(content: ChatMessage['content'], model: string): unknown {
  if (!Array.isArray(content)) return content;
  const parts = content.map(
    (part): JsonObject => ({
      ...without(part),
      ...(part.cache_control != null &&
        TAKES_BREAKPOINTS.test(model) && { prompt_cache_breakpoint: { mode: 'explicit' } }),
    }),
  );
  const [part] = parts;
  const isPlain = parts.length === 1 && part !== undefined && isBareText(part);
  return isPlain ? part.text : parts;
}

function isBareText(part: JsonObject): boolean {
  return part.type === 'text' && !('prompt_cache_breakpoint' in part);
}

function plainItems(value: unknown): unknown {
  if (!Array.isArray(value)) return value;
  return value.map((item: unknown) => (isObject(item) ? without(item) : item));
}

function without(value: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([name]) => !ADDITIONS.includes(name)));
}
