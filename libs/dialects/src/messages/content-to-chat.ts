import type { ChatMessage, ChatPart, ChatToolCall } from '../chat/chat-request.ts';
import { invalidField } from '../chat/invalid-field.ts';
import { checkWebUrl, refusePart } from '../chat/read-messages.ts';
import type { ReasoningDetail } from '../chat/reasoning-details.ts';
import { isObject } from '../json/read-json.ts';
import { readOwned } from './foreign-reasoning.ts';
import type {
  MessagesRequest,
  RequestBlock,
  RequestMessage,
  ResultBlock,
  Source,
  TextBlock,
  ToolResultBlock,
} from './messages-request.ts';

/** The system texts and the turns, in their order. */
export function messagesToChat({ system, messages }: MessagesRequest): ChatMessage[] {
  return [
    ...systemMessages(system, 'system'),
    ...messages.flatMap((message, index) => messageToChat(message, `messages[${index}]`)),
  ];
}

function systemMessages(system: string | readonly TextBlock[] | null | undefined, path: string) {
  if (system === null || system === undefined || system.length === 0) return [];
  if (typeof system === 'string') return [{ role: 'system' as const, content: system }];
  const content = system.flatMap((block, index) => partsOf(block, `${path}[${index}]`));
  return [{ role: 'system' as const, content: plainText(content) }];
}

function messageToChat({ role, content }: RequestMessage, path: string): ChatMessage[] {
  const where = `${path}.content`;
  if (typeof content === 'string') return [{ role, content }];
  if (role === 'assistant') return [assistantMessage(content, where)];
  if (role === 'system') {
    const parts = content.flatMap((block, index) => partsOf(block, `${where}[${index}]`));
    return [{ role, content: plainText(parts) }];
  }
  return userMessages(content, where);
}

/** Results of tools are messages of their own; what stands around them is the user's. */
function userMessages(content: readonly RequestBlock[], path: string): ChatMessage[] {
  const messages: ChatMessage[] = [];
  let parts: ChatPart[] = [];
  const flush = () => {
    if (parts.length > 0) messages.push({ role: 'user', content: plainText(parts) });
    parts = [];
  };
  for (const [index, block] of content.entries()) {
    const where = `${path}[${index}]`;
    if (block.type === 'tool_result') {
      flush();
      messages.push(toolMessage(block as ToolResultBlock, where));
    } else {
      parts.push(...partsOf(block, where));
    }
  }
  flush();
  return messages.length > 0 ? messages : [{ role: 'user', content: '' }];
}

function toolMessage(block: ToolResultBlock, path: string): ChatMessage {
  const { content, cache_control: mark } = block;
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  const parts = (blocks ?? []).flatMap((part, index) =>
    partsOf(part as ResultBlock, `${path}.content[${index}]`),
  );
  const last = parts.at(-1);
  // The mark is on the whole result; its last part ends at the same place.
  if (mark != null && last !== undefined) parts.splice(-1, 1, { ...last, cache_control: mark });
  return {
    role: 'tool',
    tool_call_id: block.tool_use_id,
    content: plainText(parts),
    ...(block.is_error === true && { is_error: true }),
  };
}

/** Blocks of tools that Anthropic ran itself are its own business, and are left out. */
function assistantMessage(content: readonly RequestBlock[], path: string): ChatMessage {
  const parts: ChatPart[] = [];
  const calls: ChatToolCall[] = [];
  const details: ReasoningDetail[] = [];
  let thoughts = '';
  for (const [index, block] of content.entries()) {
    if (block.type === 'text') parts.push(...partsOf(block, `${path}[${index}]`));
    else if (block.type === 'tool_use') calls.push(callOf(block));
    else if (block.type === 'redacted_thinking') details.push(...encryptedOf(block.data));
    else if (block.type === 'thinking') {
      details.push(...signedOf(block));
      if (typeof block.thinking === 'string') thoughts += block.thinking;
    } else if (block.type === 'image' || block.type === 'document') {
      refusePart(`${path}[${index}].type`);
    }
  }
  return {
    role: 'assistant',
    content: parts.length === 0 && calls.length > 0 ? null : plainText(parts),
    ...(thoughts !== '' && { reasoning_content: thoughts }),
    ...(details.length > 0 && { reasoning_details: details }),
    ...(calls.length > 0 && { tool_calls: calls }),
  };
}

function callOf({ id, name, input, extra_content: extra }: RequestBlock): ChatToolCall {
  return {
    id: String(id),
    type: 'function',
    function: { name: String(name), arguments: JSON.stringify(input) },
    ...(isObject(extra) && { extra_content: extra }),
  };
}

function signedOf({ thinking, signature }: RequestBlock): ReasoningDetail[] {
  if (typeof signature !== 'string' || signature === '') return [];
  const { format, text } = readOwned(signature);
  const thought = typeof thinking === 'string' ? thinking : '';
  return [{ type: 'reasoning.text', text: thought, signature: text, format }];
}

function encryptedOf(data: unknown): ReasoningDetail[] {
  if (typeof data !== 'string' || data === '') return [];
  const { format, id, text } = readOwned(data);
  return [{ type: 'reasoning.encrypted', data: text, format, ...(id !== undefined && { id }) }];
}

/** What a block of the user, of the system or of a tool's result is in a chat. */
function partsOf(block: RequestBlock | ResultBlock, path: string): ChatPart[] {
  const { cache_control: mark } = block;
  const marked = isObject(mark) ? { cache_control: mark as { type: string } } : {};
  switch (block.type) {
    case 'text':
      return [{ type: 'text', text: String(block.text), ...marked }];
    case 'image':
      return [{ ...imagePart(block.source as Source, path), ...marked }];
    case 'document':
      return documentParts(block, path).map((part) => ({ ...part, ...marked }));
    case 'search_result': {
      const texts = (block.content as readonly TextBlock[]).map(({ text }) => text);
      const text = [block.title, block.source, ...texts].join('\n\n');
      return [{ type: 'text', text, ...marked }];
    }
    default:
      return refusePart(`${path}.type`);
  }
}

function imagePart(source: Source, path: string): ChatPart {
  return { type: 'image_url', image_url: { url: imageUrl(source, `${path}.source`) } };
}

function imageUrl({ type, url, media_type: mediaType, data }: Source, path: string): string {
  if (type === 'url') return checkWebUrl(url ?? '', `${path}.url`);
  if (type === 'base64' && mediaType && data != null) return `data:${mediaType};base64,${data}`;
  return refusePart(`${path}.type`);
}

function documentParts(block: RequestBlock | ResultBlock, path: string): ChatPart[] {
  const { title, context } = block;
  const source = block.source as Source;
  const { type, media_type: mediaType, data, content } = source;
  const heading = [title, context].filter((text) => typeof text === 'string' && text !== '');
  if (type === 'text') return [{ type: 'text', text: [...heading, data ?? ''].join('\n\n') }];
  if (type === 'base64' && mediaType && data != null) {
    const filename = typeof title === 'string' && title !== '' ? title : 'document.pdf';
    const file = { filename, file_data: `data:${mediaType};base64,${data}` };
    const told = typeof context === 'string' && context !== '' ? [context] : [];
    return [...told.map((text) => ({ type: 'text' as const, text })), { type: 'file', file }];
  }
  if (type !== 'content') return refusePart(`${path}.source.type`);
  const where = `${path}.source.content`;
  const parts = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  if (!Array.isArray(parts)) throw invalidField(where, `Invalid '${where}': expected an array.`);
  const texts = heading.map((text) => ({ type: 'text' as const, text: String(text) }));
  return [...texts, ...parts.flatMap((part, index) => nestedParts(part, `${where}[${index}]`))];
}

function nestedParts(part: unknown, path: string): ChatPart[] {
  if (isObject(part) && part.type === 'text' && typeof part.text === 'string') {
    return [{ type: 'text', text: part.text }];
  }
  if (isObject(part) && part.type === 'image' && isObject(part.source)) {
    return [imagePart(part.source as Source, path)];
  }
  return refusePart(`${path}.type`);
}

/** Parts that hold nothing but one text are that text, which every server understands. */
function plainText(parts: readonly ChatPart[]): string | ChatPart[] {
  const [first] = parts;
  if (first === undefined) return '';
  const isPlain = parts.length === 1 && first.type === 'text' && !('cache_control' in first);
  return isPlain && typeof first.text === 'string' ? first.text : [...parts];
}
