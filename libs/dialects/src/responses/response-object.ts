/**
 * The response object. OpenAI's repeats what was asked, so that this one says what holds: what was
 * not translated has the value of not having been asked.
 */
import type { Usage } from '@gateway/protocol';
import type { FinishReason } from '../chat/chat-answer.ts';
import type { JsonObject } from '../json/read-json.ts';
import type { ItemStatus } from './open-item.ts';
import type { ResponsesRequest, ResponsesTool } from './responses-request.ts';
import { usageToResponses } from './usage.ts';

export interface ResponseState {
  readonly id: string;
  readonly model: string;
  readonly createdSeconds: number;
  readonly status: ItemStatus | 'in_progress';
  readonly reason?: FinishReason;
  readonly output: readonly JsonObject[];
  readonly usage?: Usage | undefined;
}

export function responseObject(request: ResponsesRequest, state: ResponseState): JsonObject {
  const { text, reasoning } = request;
  const { status } = state;
  return {
    id: state.id,
    object: 'response',
    created_at: state.createdSeconds,
    status,
    background: false,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: incompleteReason(state) } : null,
    instructions: request.instructions ?? null,
    max_output_tokens: request.max_output_tokens ?? null,
    model: state.model,
    output: state.output,
    parallel_tool_calls: request.parallel_tool_calls ?? true,
    previous_response_id: null,
    reasoning: { effort: reasoning?.effort ?? null, summary: reasoning?.summary ?? null },
    store: false,
    temperature: request.temperature ?? 1,
    text: { ...text, format: text?.format ?? { type: 'text' } },
    tool_choice: request.tool_choice ?? 'auto',
    tools: (request.tools ?? []).map(toolOf),
    top_p: request.top_p ?? 1,
    truncation: 'disabled',
    ...(state.usage !== undefined && { usage: usageToResponses(state.usage) }),
    ...(request.user != null && { user: request.user }),
    metadata: request.metadata ?? {},
  };
}

/** A length that was used up or content that was held back leaves a response incomplete. */
export function statusOf(reason: FinishReason): ItemStatus {
  return reason === 'length' || reason === 'content_filter' ? 'incomplete' : 'completed';
}

function incompleteReason({ reason }: ResponseState): string {
  return reason === 'content_filter' ? 'content_filter' : 'max_output_tokens';
}

function toolOf(tool: ResponsesTool): JsonObject {
  if (tool.type !== 'function') return tool;
  return { ...tool, parameters: tool.parameters ?? null, strict: tool.strict ?? false };
}
