import type { ChatContent, ChatPart, ChatRequest } from '../chat/chat-request.ts';
import { invalidField } from '../chat/invalid-field.ts';
import {
  checkWebUrl,
  partsOf,
  readConversation,
  readDataUrl,
  readToolCall,
  refusePart,
  type Turn,
  textOfPart,
} from '../chat/read-messages.ts';
import { type ReasoningDetail, readReasoningDetails } from '../chat/reasoning-details.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';

export interface MessagesConversation {
  /** Blocks when one of them marks the end of a cached prefix. */
  readonly system: string | readonly JsonObject[] | undefined;
  readonly messages: readonly ApiTurn[];
  /** The tools that were called in earlier turns, each once. */
  readonly calledTools: readonly string[];
  /**
   * Whether the model is to go on after results of tools, in the middle of its own turn, and the
   * thoughts of that turn are not there.
   */
  readonly continuesWithoutThoughts: boolean;
}

interface ApiTurn {
  readonly role: 'user' | 'assistant';
  readonly content: JsonObject[];
}

/**
 * System texts go in front; the rest becomes turns of user and assistant in alternation, because
 * all results of parallel tool calls have to stand in one turn, right behind the calls.
 */
export function conversationFromChat(request: ChatRequest): MessagesConversation {
  const { instructions, turns } = readConversation(request);
  const messages: ApiTurn[] = [];
  for (const turn of turns) {
    const role = turn.message.role === 'assistant' ? 'assistant' : 'user';
    const content = blocksOf(turn);
    if (content.length === 0) continue;
    const last = messages.at(-1);
    if (last?.role === role) last.content.push(...content);
    else messages.push({ role, content });
  }
  if (messages.length === 0) {
    throw invalidField('messages', "Invalid 'messages': expected at least one that is not empty.");
  }
  trimLastAssistant(messages);
  return {
    system: systemOf(request, instructions),
    messages,
    calledTools: calledToolsOf(messages),
    continuesWithoutThoughts:
      turns.at(-1)?.message.role === 'tool' && !lastAssistantThinks(messages),
  };
}

function lastAssistantThinks(messages: readonly ApiTurn[]): boolean {
  const last = messages.findLast(({ role }) => role === 'assistant');
  const type = last?.content[0]?.type;
  return type === 'thinking' || type === 'redacted_thinking';
}

/** With instructions alone they are what the user says, and there is no system. */
function systemOf(
  { messages }: ChatRequest,
  instructions: readonly string[],
): MessagesConversation['system'] {
  if (instructions.length === 0) return undefined;
  const blocks = messages
    .filter(({ role }) => role === 'system' || role === 'developer')
    .flatMap(({ content }) => partsOf(content))
    .flatMap((part) => textBlocks(textOfPart(part) ?? '', part));
  const isMarked = blocks.some((block) => block.cache_control !== undefined);
  return isMarked ? blocks : instructions.join('\n\n');
}

function calledToolsOf(messages: readonly ApiTurn[]): readonly string[] {
  const calls = messages.flatMap(({ content }) =>
    content.filter(({ type }) => type === 'tool_use'),
  );
  return [...new Set(calls.map(({ name }) => String(name)))];
}

function blocksOf({ message, path }: Turn): JsonObject[] {
  switch (message.role) {
    case 'user':
      return contentBlocks(message.content, `${path}.content`);
    case 'tool':
      return [
        {
          type: 'tool_result',
          tool_use_id: toolUseId(message.tool_call_id),
          content: contentBlocks(message.content, `${path}.content`),
          ...(message.is_error === true && { is_error: true }),
        },
      ];
    case 'assistant': {
      const calls = (message.tool_calls ?? []).map((toolCall, index) => {
        const { id, name, input } = readToolCall(toolCall, `${path}.tool_calls[${index}]`);
        return { type: 'tool_use', id: toolUseId(id), name, input };
      });
      const refusal = textBlocks(message.refusal ?? '');
      return [
        ...readReasoningDetails(message.reasoning_details).flatMap(thinkingBlock),
        ...contentBlocks(message.content, `${path}.content`),
        ...refusal,
        ...calls,
      ];
    }
  }
}

function contentBlocks(content: ChatContent | null | undefined, path: string): JsonObject[] {
  return partsOf(content).flatMap((part, index) => {
    const text = textOfPart(part);
    const where = typeof content === 'string' ? path : `${path}[${index}]`;
    if (text !== undefined) return textBlocks(text, part);
    return [{ ...mediaBlock(part, where), ...markOf(part) }];
  });
}

/** Anthropic refuses blocks of text without any. */
function textBlocks(text: string, part: JsonObject = {}): JsonObject[] {
  return text.trim() === '' ? [] : [{ type: 'text', text, ...markOf(part) }];
}

/** The mark that a prefix ends here that is worth caching. */
function markOf(part: JsonObject): JsonObject {
  const { cache_control: mark, prompt_cache_breakpoint: breakpoint } = part;
  if (isObject(mark)) return { cache_control: mark };
  return isObject(breakpoint) ? { cache_control: { type: 'ephemeral' } } : {};
}

/** Thoughts of other vendors prove nothing here, and are refused. */
function thinkingBlock(detail: ReasoningDetail): JsonObject[] {
  if (detail.format !== 'anthropic-claude-v1') return [];
  if (detail.type === 'reasoning.encrypted') {
    return [{ type: 'redacted_thinking', data: detail.data }];
  }
  return [{ type: 'thinking', thinking: detail.text, signature: detail.signature }];
}

function mediaBlock(part: ChatPart, path: string): JsonObject {
  if (part.type === 'image_url' && typeof part.image_url === 'object') {
    const { url } = part.image_url as { url: string };
    const inline = readDataUrl(url, `${path}.image_url.url`);
    const source =
      inline === undefined
        ? { type: 'url', url: checkWebUrl(url, `${path}.image_url.url`) }
        : { type: 'base64', media_type: inline.mediaType, data: inline.data };
    return { type: 'image', source };
  }
  if (part.type === 'file' && typeof part.file === 'object') {
    const { file_data: data, filename } = part.file as {
      file_data?: string | null;
      filename?: string | null;
    };
    const inline = readDataUrl(data ?? '', `${path}.file.file_data`);
    if (inline === undefined) return refusePart(`${path}.file`);
    return {
      type: 'document',
      source: { type: 'base64', media_type: inline.mediaType, data: inline.data },
      ...(filename && { title: filename }),
    };
  }
  return refusePart(`${path}.type`);
}

/** Other vendors' ids hold characters that Anthropic's do not. */
function toolUseId(id: string): string {
  return id.replace(/[^a-zA-Z0-9_-]/g, '_') || '_';
}

/** Anthropic refuses a last turn of the assistant that ends in white space. */
function trimLastAssistant(messages: readonly ApiTurn[]): void {
  const last = messages.at(-1);
  const block = last?.content.at(-1);
  if (last?.role !== 'assistant' || typeof block?.text !== 'string') return;
  last.content.splice(-1, 1, { ...block, text: block.text.trimEnd() });
}
