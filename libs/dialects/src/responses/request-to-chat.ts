import type { ChatRequest } from '../chat/chat-request.ts';
import type { JsonObject } from '../json/read-json.ts';
import { inputToChat } from './input-to-chat.ts';
import type { ResponsesRequest } from './responses-request.ts';
import { refuseUntranslatable } from './support.ts';
import { type ToolIdentity, toolChoiceToChat, toolsToChat } from './tools-to-chat.ts';

export interface TranslatedResponsesRequest {
  readonly request: ChatRequest;
  /** What the functions of the chat stand for, by their names. */
  readonly identities: ReadonlyMap<string, ToolIdentity>;
}

/** Throws `invalid_request`, naming the field, for what only OpenAI can be asked. */
export function responsesRequestToChat(request: ResponsesRequest): TranslatedResponsesRequest {
  refuseUntranslatable(request);
  const { tools, identities } = toolsToChat(request.tools);
  const { toolChoice, allowed } = toolChoiceToChat(request.tool_choice);
  const offered = tools.filter((tool) => allowed?.has(functionName(tool)) ?? true);
  const responseFormat = formatToChat(request);
  const { temperature, top_p: topP, reasoning, parallel_tool_calls: parallel, user } = request;
  const { verbosity } = request.text ?? {};
  const chat = {
    model: request.model,
    messages: inputToChat(request),
    ...(request.stream != null && { stream: request.stream }),
    ...(request.max_output_tokens != null && { max_completion_tokens: request.max_output_tokens }),
    ...(temperature != null && { temperature }),
    ...(topP != null && { top_p: topP }),
    ...(offered.length > 0 && { tools: offered }),
    // A choice among no tools is what some servers refuse.
    ...(offered.length > 0 && toolChoice !== undefined && { tool_choice: toolChoice }),
    ...(offered.length > 0 && parallel != null && { parallel_tool_calls: parallel }),
    ...(responseFormat !== undefined && { response_format: responseFormat }),
    ...(verbosity != null && { verbosity }),
    ...(reasoning?.effort != null && { reasoning_effort: reasoning.effort }),
    ...(user != null && { user }),
  };
  return { request: chat as ChatRequest, identities };
}

function functionName({ function: declared }: JsonObject): string {
  return (declared as { name: string }).name;
}

function formatToChat({ text }: ResponsesRequest): JsonObject | undefined {
  const format = text?.format;
  if (format == null || format.type === 'text') return undefined;
  if (format.type === 'json_object') return { type: 'json_object' };
  const { type, name, schema, description, strict } = format;
  return {
    type,
    json_schema: {
      name,
      schema,
      ...(description != null && { description }),
      ...(strict != null && { strict }),
    },
  };
}
