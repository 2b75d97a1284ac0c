import { NO_USAGE } from '@gateway/protocol';
import { AnswerRecord } from '../answer-record.ts';
import type { ChatRequest } from '../chat/chat-request.ts';
import { badAnswer, readAnswerJson } from '../chat/read-answer.ts';
import { tokenCount } from '../chat/usage.ts';
import type { Exchange, ExchangeOptions } from '../exchange.ts';
import { saidInGeminiError } from '../gemini/error.ts';
import { modelName, modelPath } from '../gemini/model-path.ts';
import { geminiRequestFromChat } from '../gemini/request-from-chat.ts';
import { geminiRequestToChat } from '../gemini/request-to-chat.ts';
import { decodeUtf8, isObject, type JsonObject, readJson } from '../json/read-json.ts';
import { type MemberEdit, spliceMembers } from '../json/splice-members.ts';
import { JSON_TYPE } from '../media-types.ts';
import { saidInMessagesError } from '../messages/error.ts';
import { API_VERSION } from '../messages/messages-api.ts';
import { messagesRequestFromChat } from '../messages/request-from-chat.ts';
import { messagesRequestToChat } from '../messages/request-to-chat.ts';
import { providerError, type SaidError } from '../provider-error.ts';
import { estimateRequestTokens } from './estimate-request.ts';
import { contentsToCount, messageToCount } from './parse-request.ts';

/** How a provider counts. */
interface Counter {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** Where the count is in the answer. */
  readonly field: string;
  saidInError(value: unknown): SaidError;
}

/** Of a message, what Anthropic takes to count it: not how the answer is to be made. */
const COUNTED_FIELDS: readonly string[] = [
  'model',
  'messages',
  'system',
  'tools',
  'tool_choice',
  'thinking',
  'output_config',
];

/**
 * The exchange of one count of a prompt's tokens, for clients of Anthropic and of Google. Their own
 * providers count by themselves, each for the clients of the other as well. Nobody else counts for
 * free: there the answer is an estimate of ours and no provider is asked. A count costs no tokens.
 */
export function openTokenCount(options: ExchangeOptions): Exchange {
  const record = new AnswerRecord();
  record.count(NO_USAGE);
  const counter = counterOf(options);
  const isPassing = options.client === options.provider;
  const field = options.client === 'gemini' ? 'totalTokens' : 'input_tokens';
  return {
    request: {
      path: counter?.path ?? '',
      headers: { 'content-type': JSON_TYPE, accept: JSON_TYPE, ...counter?.headers },
      body: counter?.body ?? new Uint8Array(),
    },
    ...(counter === undefined && {
      ownAnswer: bytesOf({ [field]: estimateRequestTokens(asChat(options)) }),
    }),
    contentType: JSON_TYPE,
    facts: record,
    answer: (bytes) => {
      const value = readAnswerJson(bytes);
      const count = isObject(value) ? tokenCount(value[counter?.field ?? '']) : undefined;
      if (count === undefined) throw badAnswer('the answer holds no count');
      return isPassing ? bytes : bytesOf({ [field]: count });
    },
    stream: () => {
      throw new Error('counts are not streamed');
    },
    error: (status, headers, body) => {
      const said = counter?.saidInError(readJson(decodeUtf8(body))) ?? { names: [] };
      return providerError({ ...said, status, headers });
    },
  };
}

function counterOf(options: ExchangeOptions): Counter | undefined {
  if (options.provider === 'messages') return anthropicCounter(options);
  return options.provider === 'gemini' ? googleCounter(options) : undefined;
}

function anthropicCounter(options: ExchangeOptions): Counter {
  const { client, body, model, headers = {} } = options;
  const isPassing = client === 'messages';
  const beta = isPassing ? headers['anthropic-beta'] : undefined;
  const version = isPassing ? headers['anthropic-version'] : undefined;
  return {
    path: '/v1/messages/count_tokens',
    headers: {
      'anthropic-version': version ?? API_VERSION,
      ...(beta !== undefined && { 'anthropic-beta': beta }),
    },
    body: isPassing
      ? spliceMembers(body, { model: () => JSON.stringify(model) })
      : bytesOf(countedMessage(asChat(options), model)),
    field: 'input_tokens',
    saidInError: saidInMessagesError,
  };
}

function countedMessage(chat: ChatRequest, model: string): JsonObject {
  const { body } = messagesRequestFromChat(chat, model, false);
  return Object.fromEntries(Object.entries(body).filter(([name]) => COUNTED_FIELDS.includes(name)));
}

function googleCounter(options: ExchangeOptions): Counter {
  const { client, body, model } = options;
  const named: MemberEdit = (present) => {
    const request = readJson(present);
    return isObject(request) ? JSON.stringify({ ...request, model: modelName(model) }) : undefined;
  };
  const edits = { generateContentRequest: named, generate_content_request: named };
  return {
    path: `/v1beta/${modelPath(model)}:countTokens`,
    headers: {},
    body:
      client === 'gemini'
        ? spliceMembers(body, edits)
        : bytesOf({
            generateContentRequest: {
              model: modelName(model),
              ...geminiRequestFromChat(asChat(options), model, false).body,
            },
          }),
    field: 'totalTokens',
    saidInError: saidInGeminiError,
  };
}

function asChat({ client, body }: ExchangeOptions): ChatRequest {
  const value = readJson(decodeUtf8(body));
  return client === 'gemini'
    ? geminiRequestToChat(contentsToCount(value))
    : messagesRequestToChat(messageToCount(value));
}

function bytesOf(value: JsonObject): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
