import type { ChatMessage, ChatPart } from '../chat/chat-request.ts';
import { invalidField } from '../chat/invalid-field.ts';
import type { ReasoningDetail } from '../chat/reasoning-details.ts';
import { isObject } from '../json/read-json.ts';
import type { RequestContent, RequestPart } from './generate-request.ts';
import { mediaPartToChat } from './media-to-chat.ts';
import { detailOfSignature } from './thought-signature.ts';

/** Kinds of parts that only Google's own tools make or read. */
const OWN_PARTS = ['executableCode', 'codeExecutionResult', 'toolCall', 'toolResponse'];

/** The turns of a conversation as messages. Throws `invalid_request`, naming the part. */
export function messagesFromContents(contents: readonly RequestContent[]): ChatMessage[] {
  const calls = new OpenCalls();
  return contents.flatMap(({ role, parts }, index) => {
    const path = `contents[${index}]`;
    const present = parts ?? [];
    for (const [place, part] of present.entries()) {
      const own = OWN_PARTS.find((name) => part[name] != null);
      if (own !== undefined) throw unsupportedPart(`${path}.parts[${place}].${own}`);
    }
    switch (role ?? 'user') {
      case 'model':
        return [modelMessage(present, path, calls)];
      case 'user':
      case 'function':
        return userMessages(present, path, calls);
      default:
        throw invalidField(
          `${path}.role`,
          `Invalid '${path}.role': expected one of 'user', 'model'.`,
        );
    }
  });
}

/** The text of a system instruction; anything else in it is refused. */
export function textOfInstruction(content: RequestContent, path: string): string {
  return (content.parts ?? [])
    .map((part, index) => part.text ?? refusePart(`${path}.parts[${index}]`))
    .join('');
}

/**
 * Calls that have no result yet. Google seldom names a call: a result belongs to the first open
 * call of its function.
 */
class OpenCalls {
  readonly #open: { readonly id: string; readonly name: string }[] = [];
  #made = 0;

  /** Opens a call and returns its id, which is made up where the client has none. */
  open(name: string, given: string | null | undefined): string {
    const id = given || `call_${this.#made}`;
    this.#made += 1;
    this.#open.push({ id, name });
    return id;
  }

  close(name: string, given: string | null | undefined): string | undefined {
    const byId = given ? this.#open.findIndex(({ id }) => id === given) : -1;
    const found = byId === -1 ? this.#open.findIndex((call) => call.name === name) : byId;
    return found === -1 ? undefined : this.#open.splice(found, 1)[0]?.id;
  }
}

/** Results of functions stand in front of what the user says with them. */
function userMessages(
  parts: readonly RequestPart[],
  path: string,
  calls: OpenCalls,
): ChatMessage[] {
  const results: ChatMessage[] = [];
  const said: ChatPart[] = [];
  for (const [index, part] of parts.entries()) {
    const where = `${path}.parts[${index}]`;
    if (part.functionResponse != null) results.push(toolMessage(part, where, calls));
    else if (typeof part.text === 'string') said.push({ type: 'text', text: part.text });
    else said.push(mediaPartToChat(part, where));
  }
  if (said.length === 0) return results;
  const [only] = said;
  const content = said.length === 1 && typeof only?.text === 'string' ? only.text : said;
  return [...results, { role: 'user', content }];
}

function toolMessage(part: RequestPart, path: string, calls: OpenCalls): ChatMessage {
  const { functionResponse: result } = part;
  const id = result?.name === undefined ? undefined : calls.close(result.name, result.id);
  if (id === undefined) {
    const param = `${path}.functionResponse.name`;
    throw invalidField(param, `Invalid '${param}': no earlier content holds this function call.`);
  }
  const text = resultText(result?.response);
  const media = (result?.parts ?? []).map((entry, index) =>
    mediaPartToChat(entry as RequestPart, `${path}.functionResponse.parts[${index}]`),
  );
  const content = media.length === 0 ? text : [{ type: 'text' as const, text }, ...media];
  return { role: 'tool', tool_call_id: id, content };
}

/** A result that is nothing but a text goes as this text. */
function resultText(response: unknown): string {
  if (!isObject(response)) return '';
  const entries = Object.entries(response);
  const [name, value] = entries[0] ?? [];
  const isPlain = entries.length === 1 && (name === 'result' || name === 'output');
  return isPlain && typeof value === 'string' ? value : JSON.stringify(response);
}

function modelMessage(parts: readonly RequestPart[], path: string, calls: OpenCalls): ChatMessage {
  let text = '';
  let reasoning = '';
  let unsigned = '';
  const details: ReasoningDetail[] = [];
  const toolCalls: Record<string, unknown>[] = [];
  for (const [index, part] of parts.entries()) {
    const { functionCall, thoughtSignature: signature } = part;
    if (functionCall != null) {
      toolCalls.push(toolCallOf(functionCall, signature, calls));
    } else if (typeof part.text === 'string' || part.thought === true) {
      if (part.thought === true) {
        reasoning += part.text ?? '';
        unsigned += part.text ?? '';
      } else text += part.text ?? '';
      if (!signature) continue;
      details.push(detailOfSignature(signature, unsigned));
      unsigned = '';
    } else throw unsupportedPart(`${path}.parts[${index}]`);
  }
  return {
    role: 'assistant',
    content: text === '' && toolCalls.length > 0 ? null : text,
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(details.length > 0 && { reasoning_details: details }),
    ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
  } as ChatMessage;
}

function toolCallOf(
  call: NonNullable<RequestPart['functionCall']>,
  signature: string | null | undefined,
  calls: OpenCalls,
): Record<string, unknown> {
  return {
    id: calls.open(call.name, call.id),
    type: 'function',
    function: { name: call.name, arguments: JSON.stringify(call.args ?? {}) },
    ...(signature && { extra_content: { google: { thought_signature: signature } } }),
  };
}

function unsupportedPart(param: string): Error {
  return invalidField(
    param,
    `Invalid '${param}': this kind of content is not supported with models of this provider.`,
    'unsupported_value',
  );
}

function refusePart(param: string): never {
  throw unsupportedPart(param);
}
