import type { ChatContent, ChatPart, ChatRequest } from '../chat/chat-request.ts';
import { invalidField } from '../chat/invalid-field.ts';
import {
  checkWebUrl,
  partsOf,
  readConversation,
  readDataUrl,
  readStop,
  readToolCall,
  readToolChoice,
  readTools,
  refusePart,
  type Turn,
  textOfContent,
  textOfPart,
} from '../chat/read-messages.ts';
import { withMediaBehindTools } from '../chat/tool-media.ts';
import { isObject, type JsonObject, readJson } from '../json/read-json.ts';
import type { TranslatedRequest } from '../translator.ts';
import { generationConfigOf } from './generation-config.ts';
import { modelPath } from './model-path.ts';
import { signatureInCall } from './tool-call.ts';

interface ApiContent {
  readonly role: 'user' | 'model';
  readonly parts: JsonObject[];
}

/**
 * Newer models refuse their own calls without the thought signature. For calls that come without
 * one, as from another model or a client that does not keep it, Google takes this word instead.
 * @see https://ai.google.dev/gemini-api/docs/thought-signatures
 */
const NO_SIGNATURE = 'skip_thought_signature_validator';

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  png: 'image/png',
  gif: 'image/gif',
  webp: 'image/webp',
  heic: 'image/heic',
  heif: 'image/heif',
};

export function geminiRequestFromChat(
  request: ChatRequest,
  model: string,
  stream: boolean,
): TranslatedRequest {
  const messages = [...withMediaBehindTools(request.messages)];
  const { instructions, turns } = readConversation({ ...request, messages });
  const tools = readTools(request);
  const generationConfig = generationConfigOf(request, model, readStop(request));
  const method = stream ? 'streamGenerateContent?alt=sse' : 'generateContent';
  return {
    path: `/v1beta/${modelPath(model)}:${method}`,
    headers: {},
    body: {
      contents: contentsOf(turns, needsSignatures(model)),
      ...(instructions.length > 0 && {
        systemInstruction: { parts: [{ text: instructions.join('\n\n') }] },
      }),
      ...(tools.length > 0 && {
        tools: [
          {
            functionDeclarations: tools.map(({ name, description, parameters }) => ({
              name,
              ...(description !== undefined && { description }),
              ...(parameters !== undefined && { parametersJsonSchema: parameters }),
            })),
          },
        ],
        ...toolConfigOf(request),
      }),
      ...(Object.keys(generationConfig).length > 0 && { generationConfig }),
    },
  };
}

function needsSignatures(model: string): boolean {
  const major = /gemini-(\d+)/.exec(model)?.[1];
  return major === undefined || Number(major) >= 3;
}

/** The results of parallel calls stand together in one turn. */
function contentsOf(turns: readonly Turn[], withSignatures: boolean): readonly ApiContent[] {
  const names = new Map<string, string>();
  const contents: ApiContent[] = [];
  let previous: string | undefined;
  for (const turn of inCallOrder(turns)) {
    const { role } = turn.message;
    const parts = partsOfTurn(turn, names, withSignatures);
    if (parts.length === 0) continue;
    if (role === 'tool' && previous === 'tool') contents.at(-1)?.parts.push(...parts);
    else contents.push({ role: role === 'assistant' ? 'model' : 'user', parts });
    previous = role;
  }
  if (contents.length > 0) return contents;
  throw invalidField('messages', "Invalid 'messages': expected at least one that is not empty.");
}

/** Google tells the results of parallel calls of one function by their order alone. */
function inCallOrder(turns: readonly Turn[]): readonly Turn[] {
  const places = new Map<string, number>();
  const placeOf = ({ message }: Turn) =>
    message.role === 'tool' ? (places.get(message.tool_call_id) ?? 0) : 0;
  const ordered: Turn[] = [];
  let results: Turn[] = [];
  for (const turn of turns) {
    if (turn.message.role === 'tool') {
      results.push(turn);
      continue;
    }
    ordered.push(...results.toSorted((left, right) => placeOf(left) - placeOf(right)), turn);
    results = [];
    if (turn.message.role !== 'assistant') continue;
    for (const [place, { id }] of (turn.message.tool_calls ?? []).entries()) places.set(id, place);
  }
  return [...ordered, ...results.toSorted((left, right) => placeOf(left) - placeOf(right))];
}

function partsOfTurn(
  { message, path }: Turn,
  names: Map<string, string>,
  withSignatures: boolean,
): JsonObject[] {
  switch (message.role) {
    case 'user':
      return contentParts(message.content, `${path}.content`);
    case 'tool': {
      const name = names.get(message.tool_call_id);
      if (name === undefined) {
        const param = `${path}.tool_call_id`;
        throw invalidField(param, `Invalid '${param}': no earlier message holds this tool call.`);
      }
      const text = textOfContent(message.content, `${path}.content`);
      const result = readJson(text);
      const response = isObject(result) ? result : { result: text };
      return [{ functionResponse: { name, response } }];
    }
    case 'assistant': {
      const calls = (message.tool_calls ?? []).map((call, index) => {
        const { id, name, input } = readToolCall(call, `${path}.tool_calls[${index}]`);
        names.set(id, name);
        // Only the first of parallel calls carries a signature.
        const fallback = withSignatures && index === 0 ? NO_SIGNATURE : undefined;
        const thoughtSignature = signatureInCall(call) ?? fallback;
        return {
          functionCall: { name, args: input },
          ...(thoughtSignature && { thoughtSignature }),
        };
      });
      return [...contentParts(message.content, `${path}.content`), ...calls];
    }
  }
}

function contentParts(content: ChatContent | null | undefined, path: string): JsonObject[] {
  return partsOf(content).flatMap((part, index) => {
    const text = textOfPart(part);
    const where = typeof content === 'string' ? path : `${path}[${index}]`;
    if (text === undefined) return [mediaPart(part, where)];
    return text === '' ? [] : [{ text }];
  });
}

function mediaPart(part: ChatPart, path: string): JsonObject {
  if (part.type === 'image_url' && isObject(part.image_url)) {
    const url = String(part.image_url.url);
    const inline = readDataUrl(url, `${path}.image_url.url`);
    if (inline !== undefined) return inlineData(inline.mediaType, inline.data);
    const fileUri = checkWebUrl(url, `${path}.image_url.url`);
    return { fileData: { mimeType: mediaTypeOf(fileUri), fileUri } };
  }
  if (part.type === 'input_audio' && isObject(part.input_audio)) {
    const { data, format } = part.input_audio;
    return inlineData(`audio/${String(format)}`, String(data));
  }
  if (part.type === 'file' && isObject(part.file)) {
    const data = part.file.file_data;
    const inline = readDataUrl(typeof data === 'string' ? data : '', `${path}.file.file_data`);
    return inline === undefined
      ? refusePart(`${path}.file`)
      : inlineData(inline.mediaType, inline.data);
  }
  return refusePart(`${path}.type`);
}

function inlineData(mimeType: string, data: string): JsonObject {
  return { inlineData: { mimeType, data } };
}

/** Google wants a media type with an address; JPEG where the address does not tell. */
function mediaTypeOf(url: string): string {
  const extension = /\.([a-z0-9]+)$/i.exec(new URL(url).pathname)?.[1] ?? '';
  return MEDIA_TYPES[extension.toLowerCase()] ?? 'image/jpeg';
}

function toolConfigOf(request: ChatRequest): JsonObject {
  const choice = readToolChoice(request);
  if (choice === undefined) return {};
  if (typeof choice === 'object') {
    return configOf({ mode: 'ANY', allowedFunctionNames: [choice.name] });
  }
  return configOf({ mode: { auto: 'AUTO', none: 'NONE', required: 'ANY' }[choice] });
}

function configOf(functionCallingConfig: JsonObject): JsonObject {
  return { toolConfig: { functionCallingConfig } };
}
