/** What every translation of a chat's messages needs. */
import { isObject, type JsonObject, readJson } from '../json/read-json.ts';
import type {
  ChatContent,
  ChatMessage,
  ChatPart,
  ChatRequest,
  ChatToolCall,
} from './chat-request.ts';
import { invalidField } from './invalid-field.ts';

/** A message with its place in the request, for errors. */
export interface Turn {
  readonly message: Exclude<ChatMessage, { role: 'system' | 'developer' | 'function' }>;
  readonly path: string;
}

export interface Conversation {
  /** The texts of system and developer messages, wherever they stood. */
  readonly instructions: readonly string[];
  readonly turns: readonly Turn[];
}

export interface InlineData {
  readonly mediaType: string;
  /** In base64. */
  readonly data: string;
}

/**
 * Takes the instructions out of the messages. Other vendors want them apart and a conversation that
 * is not empty, so that instructions alone become what the user says.
 */
export function readConversation({ messages }: ChatRequest): Conversation {
  const instructions: string[] = [];
  const turns: Turn[] = [];
  for (const [index, message] of messages.entries()) {
    const path = `messages[${index}]`;
    if (message.role === 'function') {
      throw invalidField(
        `${path}.role`,
        "Messages of the role 'function' are not supported with this model: use tools.",
        'unsupported_value',
      );
    }
    if (message.role === 'system' || message.role === 'developer') {
      const text = textOfContent(message.content, `${path}.content`);
      if (text.trim() !== '') instructions.push(text);
    } else {
      turns.push({ message, path });
    }
  }
  if (turns.length > 0) return { instructions, turns };
  const message = { role: 'user' as const, content: instructions.join('\n\n') };
  return { instructions: [], turns: [{ message, path: 'messages[0]' }] };
}

/** The parts of a content; a string is one part of text. */
export function partsOf(content: ChatContent | null | undefined): readonly ChatPart[] {
  if (content === null || content === undefined) return [];
  return typeof content === 'string' ? [{ type: 'text', text: content }] : content;
}

/** The text of a content that holds nothing but text. */
export function textOfContent(content: ChatContent | null | undefined, path: string): string {
  return partsOf(content)
    .map((part, index) => textOfPart(part) ?? refusePart(`${path}[${index}].type`))
    .join('');
}

export function textOfPart(part: ChatPart): string | undefined {
  if (part.type === 'text' && typeof part.text === 'string') return part.text;
  return part.type === 'refusal' && typeof part.refusal === 'string' ? part.refusal : undefined;
}

export function refusePart(path: string): never {
  throw invalidField(
    path,
    `Invalid '${path}': this kind of content is not supported with this model.`,
    'unsupported_value',
  );
}

/** The bytes inside a `data:` URL; undefined for every other URL. */
export function readDataUrl(url: string, path: string): InlineData | undefined {
  if (!/^data:/i.test(url)) return undefined;
  const comma = url.indexOf(',');
  const [mediaType = '', ...flags] = url.slice('data:'.length, Math.max(comma, 0)).split(';');
  if (comma === -1 || mediaType === '' || flags.at(-1)?.toLowerCase() !== 'base64') {
    throw invalidField(path, `Invalid '${path}': expected a data URL in base64 with a media type.`);
  }
  return { mediaType: mediaType.toLowerCase(), data: url.slice(comma + 1) };
}

/** An address that the provider fetches by itself; the gateway fetches none. */
export function checkWebUrl(url: string, path: string): string {
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return url;
  throw invalidField(path, `Invalid '${path}': expected an http, https or data URL.`);
}

export interface FunctionCall {
  readonly id: string;
  readonly name: string;
  readonly input: JsonObject;
}

/** A call that the model made earlier. Vendors want its arguments as an object. */
export function readToolCall(call: ChatToolCall, path: string): FunctionCall {
  if (call.function === undefined) return refusePart(`${path}.type`);
  const { name, arguments: text } = call.function;
  const input = text.trim() === '' ? {} : readJson(text);
  if (isObject(input)) return { id: call.id, name, input };
  throw invalidField(
    `${path}.function.arguments`,
    `Invalid '${path}.function.arguments': expected the JSON of an object.`,
  );
}

export interface FunctionTool {
  readonly name: string;
  readonly description: string | undefined;
  readonly parameters: JsonObject | undefined;
  readonly strict: boolean;
  readonly cacheControl: unknown;
}

export function readTools({ tools }: ChatRequest): readonly FunctionTool[] {
  return (tools ?? []).map((tool, index) => {
    const { function: declared } = tool;
    if (tool.type !== 'function' || declared === undefined) {
      const path = `tools[${index}].type`;
      throw invalidField(path, `Invalid '${path}': expected 'function'.`, 'unsupported_value');
    }
    return {
      name: declared.name,
      description: declared.description ?? undefined,
      parameters: declared.parameters ?? undefined,
      strict: declared.strict === true,
      cacheControl: tool.cache_control ?? undefined,
    };
  });
}

export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

export function readToolChoice({ tool_choice: choice }: ChatRequest): ToolChoice | undefined {
  if (choice === null || choice === undefined) return undefined;
  if (typeof choice === 'string') return choice;
  if (choice.type === 'function' && choice.function !== undefined) {
    return { name: choice.function.name };
  }
  throw invalidField(
    'tool_choice.type',
    "Invalid 'tool_choice.type': expected 'function'.",
    'unsupported_value',
  );
}

export function readStop({ stop }: ChatRequest): readonly string[] {
  if (stop === null || stop === undefined) return [];
  return typeof stop === 'string' ? [stop] : stop;
}
