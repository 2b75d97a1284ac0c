/**
 * The items of an input as the messages of a chat. Whatever the model said between two inputs
 * (texts, calls, reasoning) is one message of the assistant, since other vendors want the results
 * of parallel calls right behind the message that holds all of them.
 */
import type { ChatMessage, ChatPart } from '../chat/chat-request.ts';
import { invalidField } from '../chat/invalid-field.ts';
import { readReasoningDetails } from '../chat/reasoning-details.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';
import { readEncryptedContent } from './reasoning-content.ts';
import type { InputContent, InputItem, InputPart, ResponsesRequest } from './responses-request.ts';
import { CUSTOM_INPUT, joinedName } from './tools-to-chat.ts';

interface Turn {
  readonly parts: ChatPart[];
  readonly calls: JsonObject[];
  readonly details: JsonObject[];
}

export function inputToChat({ instructions, input }: ResponsesRequest): ChatMessage[] {
  const messages: ChatMessage[] = instructions ? [{ role: 'system', content: instructions }] : [];
  if (typeof input === 'string') return [...messages, { role: 'user', content: input }];
  const reader = new InputReader(messages);
  for (const [index, item] of (input ?? []).entries()) reader.item(item, `input[${index}]`);
  return reader.end();
}

class InputReader {
  readonly #messages: ChatMessage[];
  /** What belongs to calls, by their ids: it came with the reasoning before them. */
  readonly #extras = new Map<string, unknown>();
  #turn: Turn | undefined;

  constructor(messages: ChatMessage[]) {
    this.#messages = messages;
  }

  item(item: InputItem, path: string): void {
    const { type } = item as { type?: string | null };
    if (type === 'function_call' || type === 'custom_tool_call') {
      this.#call(item as ItemOf<'function_call' | 'custom_tool_call'>);
    } else if (type === 'function_call_output' || type === 'custom_tool_call_output') {
      this.#output(item as ItemOf<'function_call_output'>, path);
    } else if (type === 'reasoning') this.#reasoning(item as ItemOf<'reasoning'>);
    else if (type === 'message' || type == null) this.#message(item as ItemOf<'message'>, path);
    else throw refuseItem(type, `${path}.type`);
  }

  end(): ChatMessage[] {
    this.#closeTurn();
    if (this.#messages.length > 0) return this.#messages;
    throw invalidField(
      'input',
      "Missing required parameter: 'input'.",
      'missing_required_parameter',
    );
  }

  #message({ role, content }: ItemOf<'message'>, path: string): void {
    const parts = partsToChat(content, `${path}.content`);
    if (role === 'assistant') {
      this.#openTurn().parts.push(...parts);
      return;
    }
    this.#closeTurn();
    const spoken = typeof content === 'string' ? content : parts;
    // Compatible servers know `system`, and not all of them `developer`.
    this.#messages.push({ role: role === 'user' ? 'user' : 'system', content: spoken });
  }

  #call(item: ItemOf<'function_call' | 'custom_tool_call'>): void {
    const id = item.call_id;
    const text =
      item.type === 'function_call'
        ? item.arguments
        : JSON.stringify({ [CUSTOM_INPUT]: item.input });
    const namespace = item.type === 'function_call' ? item.namespace : undefined;
    const extra = this.#extras.get(id);
    this.#openTurn().calls.push({
      id,
      type: 'function',
      function: { name: joinedName(item.name, namespace), arguments: text },
      ...(extra !== undefined && { extra_content: extra }),
    });
  }

  #output({ call_id: id, output }: ItemOf<'function_call_output'>, path: string): void {
    this.#closeTurn();
    const content = typeof output === 'string' ? output : partsToChat(output, `${path}.output`);
    this.#messages.push({ role: 'tool', tool_call_id: id, content });
  }

  #reasoning({ encrypted_content: content, id }: ItemOf<'reasoning'>): void {
    const kept = readEncryptedContent(content);
    const own = {
      type: 'reasoning.encrypted',
      data: content,
      format: 'openai-responses-v1',
      ...(typeof id === 'string' && { id }),
    };
    const details = readReasoningDetails(kept === undefined ? [own] : kept.details);
    this.#openTurn().details.push(...details.map((detail) => ({ ...detail })));
    for (const [call, extra] of Object.entries(kept?.calls ?? {})) this.#extras.set(call, extra);
  }

  #openTurn(): Turn {
    this.#turn ??= { parts: [], calls: [], details: [] };
    return this.#turn;
  }

  #closeTurn(): void {
    const turn = this.#turn;
    this.#turn = undefined;
    if (turn === undefined || turn.parts.length + turn.calls.length === 0) return;
    const { parts, calls, details } = turn;
    this.#messages.push({
      role: 'assistant',
      content: contentOf(parts),
      ...(details.length > 0 && { reasoning_details: details }),
      ...(calls.length > 0 && { tool_calls: calls as { id: string }[] }),
    });
  }
}

type ItemOf<Type extends string> = Extract<InputItem, { type?: Type | null | undefined }>;

function contentOf(parts: readonly ChatPart[]): string | ChatPart[] | null {
  const [first] = parts;
  if (first === undefined) return null;
  return parts.length === 1 && first.type === 'text' ? String(first.text) : [...parts];
}

function partsToChat(content: InputContent, path: string): ChatPart[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return content.map((part, index) => partToChat(part, `${path}[${index}]`));
}

function partToChat(part: InputPart, path: string): ChatPart {
  if (part.type === 'input_text' || part.type === 'output_text') {
    return { type: 'text', text: String(part.text) };
  }
  if (part.type === 'refusal') return { type: 'refusal', refusal: String(part.refusal) };
  if (part.type === 'input_image') return imageToChat(part, path);
  if (part.type === 'input_file') return fileToChat(part, path);
  if (part.type === 'input_audio' && isObject(part.input_audio)) {
    const { data, format } = part.input_audio;
    return { type: 'input_audio', input_audio: { data: String(data), format: String(format) } };
  }
  throw refuseItem(part.type, `${path}.type`);
}

function imageToChat(part: InputPart, path: string): ChatPart {
  const { image_url: url, detail } = part as { image_url?: unknown; detail?: unknown };
  if (typeof url !== 'string' || url === '') throw refuseStored(`${path}.file_id`);
  return { type: 'image_url', image_url: { url, ...(typeof detail === 'string' && { detail }) } };
}

function fileToChat(part: InputPart, path: string): ChatPart {
  const { file_data: data, filename, file_url: url } = part as Readonly<Record<string, unknown>>;
  if (typeof data !== 'string' || data === '') {
    throw refuseStored(`${path}.${url == null ? 'file_id' : 'file_url'}`);
  }
  const name = typeof filename === 'string' ? filename : undefined;
  return { type: 'file', file: { file_data: data, ...(name !== undefined && { filename: name }) } };
}

function refuseStored(path: string): Error {
  return invalidField(
    path,
    `Invalid '${path}': the provider cannot read it: send the data itself.`,
    'unsupported_value',
  );
}

function refuseItem(type: string | null | undefined, path: string): Error {
  const what =
    type === 'item_reference'
      ? "references to stored items are not supported with this model: send the items, with 'store' false"
      : `'${String(type).slice(0, 64)}' is not supported with this model`;
  return invalidField(path, `Invalid '${path}': ${what}.`, 'unsupported_value');
}
