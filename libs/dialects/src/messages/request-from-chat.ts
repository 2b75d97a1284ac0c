import type { ChatRequest } from '../chat/chat-request.ts';
import { type FunctionTool, readStop, readToolChoice, readTools } from '../chat/read-messages.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';
import type { TranslatedRequest } from '../translator.ts';
import { conversationFromChat, type MessagesConversation } from './content-from-chat.ts';
import { API_VERSION } from './messages-api.ts';
import {
  claudeVersion,
  defaultMaxTokens,
  takesOneOfSampling,
  takesSampling,
  takesStrictTools,
  thinksAdaptively,
} from './model-version.ts';

/** Tokens to think with, per effort, for models that are given a budget. */
const THINKING_BUDGETS: Readonly<Record<string, number>> = {
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 32_768,
  max: 32_768,
};
/** The least budget that Anthropic takes. */
const THINKING_BUDGET_MIN = 1_024;
/** Left for the answer itself behind a budget. */
const ANSWER_TOKENS_MIN = 4_096;

const JSON_INSTRUCTION =
  'Answer with one valid JSON object and nothing else: no explanation and no code fence.';

export function messagesRequestFromChat(
  request: ChatRequest,
  model: string,
  stream: boolean,
): TranslatedRequest {
  const version = claudeVersion(model);
  const conversation = conversationFromChat(request);
  const tools = readTools(request);
  const toolChoice = toolChoiceOf(request, tools, conversation);
  const declared = tools.length > 0 ? tools : conversation.calledTools.map(undeclaredTool);
  const thinking = thinkingOf(request, version, conversation, toolChoice);
  const asked = request.max_completion_tokens ?? request.max_tokens;
  const stop = readStop(request).filter((sequence) => sequence.trim() !== '');
  const outputConfig = { ...formatOf(request), ...thinking.outputConfig };
  const system = systemOf(request, conversation);
  return {
    path: '/v1/messages',
    headers: { 'anthropic-version': API_VERSION },
    body: {
      model,
      max_tokens: maxTokens(asked ?? defaultMaxTokens(version), thinking.budget, asked == null),
      messages: conversation.messages,
      ...(system !== undefined && { system }),
      ...(stream && { stream: true }),
      ...samplingOf(request, version, thinking.active),
      ...(stop.length > 0 && { stop_sequences: stop }),
      ...(declared.length > 0 && { tools: declared.map((tool) => toolOf(tool, version)) }),
      ...(toolChoice !== undefined && { tool_choice: toolChoice }),
      ...(thinking.parameter !== undefined && { thinking: thinking.parameter }),
      ...(Object.keys(outputConfig).length > 0 && { output_config: outputConfig }),
      ...(request.user && { metadata: { user_id: request.user } }),
      ...serviceTierOf(request),
    },
  };
}

function systemOf(
  request: ChatRequest,
  { system }: MessagesConversation,
): MessagesConversation['system'] {
  if (request.response_format?.type !== 'json_object') return system;
  if (typeof system === 'object') return [...system, { type: 'text', text: JSON_INSTRUCTION }];
  return system === undefined ? JSON_INSTRUCTION : `${system}\n\n${JSON_INSTRUCTION}`;
}

function maxTokens(wanted: number, budget: number, isDefault: boolean): number {
  return isDefault && budget > 0 ? Math.max(wanted, budget + ANSWER_TOKENS_MIN) : wanted;
}

/** OpenAI's other tiers have no like here. */
function serviceTierOf({ service_tier: tier }: ChatRequest): JsonObject {
  if (tier === 'auto') return { service_tier: 'auto' };
  return tier === 'default' ? { service_tier: 'standard_only' } : {};
}

/** Temperatures above Anthropic's 1 are capped, as its own compatible API does. */
function samplingOf(
  { temperature, top_p: topP, top_k: topK }: ChatRequest,
  version: number | undefined,
  isThinking: boolean,
): JsonObject {
  if (!takesSampling(version) || isThinking) return {};
  const hasTemperature = typeof temperature === 'number';
  const dropsTopP = hasTemperature && takesOneOfSampling(version);
  return {
    ...(hasTemperature && { temperature: Math.min(temperature, 1) }),
    ...(typeof topP === 'number' && !dropsTopP && { top_p: topP }),
    ...(typeof topK === 'number' && { top_k: topK }),
  };
}

function toolOf(tool: FunctionTool, version: number | undefined): JsonObject {
  const strict = tool.strict && takesStrictTools(version);
  const schema = { type: 'object', properties: {}, ...tool.parameters };
  return {
    name: tool.name,
    ...(tool.description !== undefined && { description: tool.description }),
    input_schema: strict ? closedSchema(schema) : schema,
    ...(strict && { strict }),
    ...(tool.cacheControl !== undefined && { cache_control: tool.cacheControl }),
  };
}

/** Calls in the history need their tools, even when the client no longer offers any. */
function undeclaredTool(name: string): FunctionTool {
  return {
    name,
    description: undefined,
    parameters: undefined,
    strict: false,
    cacheControl: undefined,
  };
}

function toolChoiceOf(
  request: ChatRequest,
  tools: readonly FunctionTool[],
  { calledTools }: MessagesConversation,
): JsonObject | undefined {
  if (tools.length === 0) return calledTools.length === 0 ? undefined : { type: 'none' };
  const choice = readToolChoice(request);
  if (choice === 'none') return { type: 'none' };
  const serial = request.parallel_tool_calls === false && { disable_parallel_tool_use: true };
  if (choice === 'required') return { type: 'any', ...serial };
  if (typeof choice === 'object') return { type: 'tool', name: choice.name, ...serial };
  return choice === 'auto' || serial ? { type: 'auto', ...serial } : undefined;
}

function formatOf({ response_format: format }: ChatRequest): JsonObject {
  if (format?.type !== 'json_schema') return {};
  const { schema } = format.json_schema;
  if (!isObject(schema)) return {};
  return { format: { type: 'json_schema', schema: closedSchema(schema) } };
}

/**
 * Anthropic wants every object of a schema closed and says so; OpenAI's strict mode wants the same.
 */
function closedSchema(value: JsonObject): JsonObject {
  const closed = Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, closeMember(name, member)]),
  );
  return value.type === 'object' && value.additionalProperties === undefined
    ? { ...closed, additionalProperties: false }
    : closed;
}

/** Members whose values are data rather than schemas. */
const DATA_MEMBERS = new Set(['enum', 'const', 'default', 'examples', 'required']);
/** Members whose values are schemas by name. */
const SCHEMA_MAPS = new Set(['properties', '$defs', 'definitions']);

function closeMember(name: string, member: unknown): unknown {
  if (DATA_MEMBERS.has(name)) return member;
  if (SCHEMA_MAPS.has(name) && isObject(member)) {
    const schemas = Object.entries(member).map(([key, schema]) => [key, closeMember('', schema)]);
    return Object.fromEntries(schemas);
  }
  if (Array.isArray(member)) {
    return member.map((item: unknown) => (isObject(item) ? closedSchema(item) : item));
  }
  return isObject(member) ? closedSchema(member) : member;
}

interface Thinking {
  readonly active: boolean;
  readonly budget: number;
  readonly parameter?: JsonObject;
  readonly outputConfig?: JsonObject;
}

const NO_THINKING: Thinking = { active: false, budget: 0 };

/**
 * A budget or, for newer models, an effort. Without thinking go requests where Anthropic refuses
 * it: with a tool that must be called, and after tool results whose turn came without its thoughts.
 */
function thinkingOf(
  request: ChatRequest,
  version: number | undefined,
  { continuesWithoutThoughts }: MessagesConversation,
  toolChoice: JsonObject | undefined,
): Thinking {
  const { reasoning_effort: effort } = request;
  if (effort == null || effort === 'none') return NO_THINKING;
  const outputConfig = { effort: effort === 'minimal' ? 'low' : effort };
  if (thinksAdaptively(version)) {
    const isForced = toolChoice?.type === 'any' || toolChoice?.type === 'tool';
    if (isForced || continuesWithoutThoughts) return { ...NO_THINKING, outputConfig };
    return { active: true, budget: 0, parameter: { type: 'adaptive' }, outputConfig };
  }
  const isForced = toolChoice?.type === 'any' || toolChoice?.type === 'tool';
  const limit = request.max_completion_tokens ?? request.max_tokens ?? Number.MAX_SAFE_INTEGER;
  const budget = Math.min(THINKING_BUDGETS[effort] ?? THINKING_BUDGET_MIN, limit - 1);
  if (isForced || continuesWithoutThoughts || budget < THINKING_BUDGET_MIN) return NO_THINKING;
  if (version !== undefined && version < 307) return NO_THINKING;
  return { active: true, budget, parameter: { type: 'enabled', budget_tokens: budget } };
}
