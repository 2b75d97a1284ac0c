import type { ChatRequest } from '../chat/chat-request.ts';
import { invalidField } from '../chat/invalid-field.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';
import { messagesToChat } from './content-to-chat.ts';
import type { MessagesRequest, RequestTool } from './messages-request.ts';
import { asMessagesRequest } from './parse-request.ts';
import { refuseUntranslatable } from './support.ts';

/** Budgets up to these are the effort beside them; more is `high`. */
const EFFORTS: readonly (readonly [budgetMax: number, effort: string])[] = [
  [4_095, 'low'],
  [16_383, 'medium'],
];

/**
 * The request as a chat completion. Left out is what changes nothing in the answer: cache edits,
 * containers, where to compute. Throws `invalid_request` for tools that run at Anthropic alone.
 */
export function messagesRequestToChat(value: unknown): ChatRequest {
  const request = asMessagesRequest(value);
  refuseUntranslatable(request);
  const { model, max_tokens: maxTokens, temperature, top_p: topP, top_k: topK } = request;
  const tools = (request.tools ?? []).map(toolToChat);
  const effort = effortOf(request);
  const format = formatOf(request);
  const stop = request.stop_sequences ?? [];
  const userId = request.metadata?.user_id;
  return {
    model,
    messages: messagesToChat(request),
    max_completion_tokens: maxTokens,
    ...(temperature != null && { temperature }),
    ...(topP != null && { top_p: topP }),
    ...(topK != null && { top_k: topK }),
    ...(stop.length > 0 && { stop }),
    ...(tools.length > 0 && { tools, ...toolChoiceOf(request) }),
    ...(effort !== undefined && { reasoning_effort: effort }),
    ...(format !== undefined && { response_format: format }),
    ...(userId && { user: userId }),
    // `auto`, the other tier, is what every vendor does by itself.
    ...(request.service_tier === 'standard_only' && { service_tier: 'default' }),
  };
}

type ChatTool = NonNullable<ChatRequest['tools']>[number];

function toolToChat(tool: RequestTool, index: number): ChatTool {
  const { type, name, description, input_schema: schema, strict, cache_control: mark } = tool;
  if (type != null && type !== 'custom') {
    const param = `tools[${index}].type`;
    throw invalidField(
      param,
      `Unsupported value: '${param}' names ${ownToolName(type)}, which works with models of ` +
        'Anthropic alone.',
      'unsupported_value',
    );
  }
  if (name === undefined) {
    const param = `tools[${index}].name`;
    const message = `Missing required parameter: '${param}'.`;
    throw invalidField(param, message, 'missing_required_parameter');
  }
  return {
    type: 'function',
    function: {
      name,
      ...(description != null && { description }),
      ...(schema != null && { parameters: schema }),
      ...(strict === true && { strict }),
    },
    ...(mark != null && { cache_control: mark }),
  };
}

/** The tools that Anthropic runs or defines; behind each name stands a date. */
const OWN_TOOLS = [
  'web_search',
  'web_fetch',
  'code_execution',
  'bash',
  'text_editor',
  'computer',
  'memory',
  'mcp_toolset',
  'tool_search_tool',
  'advisor',
];

function ownToolName(type: string): string {
  const name = OWN_TOOLS.find((known) => type.startsWith(known));
  return name === undefined ? 'a tool' : `the tool '${name}'`;
}

function toolChoiceOf({ tool_choice: choice }: MessagesRequest) {
  if (choice == null) return {};
  const serial =
    choice.type !== 'none' && choice.disable_parallel_tool_use === true
      ? { parallel_tool_calls: false }
      : {};
  switch (choice.type) {
    case 'auto':
      return { tool_choice: 'auto' as const, ...serial };
    case 'any':
      return { tool_choice: 'required' as const, ...serial };
    case 'tool':
      return {
        tool_choice: { type: 'function', function: { name: choice.name } },
        ...serial,
      };
    case 'none':
      return { tool_choice: 'none' as const };
  }
}

/** An effort that is named outranks a budget, of which it can only be guessed. */
function effortOf({ thinking, output_config: config }: MessagesRequest): string | undefined {
  if (thinking?.type === 'disabled') return 'none';
  if (config?.effort) return config.effort;
  const budget = thinking?.type === 'enabled' ? thinking.budget_tokens : undefined;
  if (budget == null) return undefined;
  return EFFORTS.find(([budgetMax]) => budget <= budgetMax)?.[1] ?? 'high';
}

function formatOf(request: MessagesRequest): ChatRequest['response_format'] {
  const format = request.output_config?.format ?? request.output_format;
  if (!isObject(format) || format.type !== 'json_schema' || !isObject(format.schema)) {
    return undefined;
  }
  const { schema } = format;
  const strict = isStrictSchema(schema);
  return { type: 'json_schema', json_schema: { name: 'answer', schema, strict } };
}

/** OpenAI's strict mode wants every object closed and every property required. */
function isStrictSchema(schema: JsonObject): boolean {
  const { properties, required, additionalProperties } = schema;
  if (isObject(properties)) {
    const names = Array.isArray(required) ? required : [];
    const isClosed = additionalProperties === false;
    if (!isClosed || !Object.keys(properties).every((name) => names.includes(name))) return false;
  }
  return Object.values(schema).every((member) =>
    [member].flat().every((item) => !isObject(item) || isStrictSchema(item)),
  );
}
