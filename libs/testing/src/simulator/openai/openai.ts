import type { JsonObject } from '../../json-value.ts';
import type {
  AnswerContext,
  ErrorFacts,
  ErrorReply,
  KeptOperation,
  Operation,
  StreamEvent,
  Vendor,
} from '../vendor.ts';
import { embeddings } from './embeddings.ts';
import { KeptResponses } from './kept-responses.ts';
import { parseChat } from './parse-chat.ts';
import { inputItems, parseResponses } from './parse-responses.ts';
import { chatCompletion, chatCompletionEvents, dataEvent } from './render-chat.ts';
import { namedEvent, responseEvents, responseObject } from './render-responses.ts';

const RETRY_AFTER_MS_OF_SECOND = 1_000;
const MODEL_CREATED = 1_700_000_000;
const models = ['gpt-4o', 'gpt-4o-mini', 'gpt-5', 'o4-mini', 'text-embedding-3-small'];

/** Type and code of OpenAI's error body by status. */
const kinds: Readonly<Record<number, readonly [string, string | null, string]>> = {
  400: ['invalid_request_error', null, 'The request is not valid.'],
  401: ['invalid_request_error', 'invalid_api_key', 'Incorrect API key provided.'],
  403: ['invalid_request_error', 'unsupported_country_region_territory', 'Not supported here.'],
  404: ['invalid_request_error', 'model_not_found', 'The model does not exist.'],
  429: ['requests', 'rate_limit_exceeded', 'Rate limit reached: Limit 500, Used 500.'],
  503: ['server_error', null, 'The engine is currently overloaded, please try again later'],
};
const serverError = ['server_error', null, 'The server had an error processing it.'] as const;

function error(facts: ErrorFacts): ErrorReply {
  const fallback = facts.status < 500 ? kinds[400] : serverError;
  const [type, code, message] = kinds[facts.status] ?? fallback ?? serverError;
  const seconds = facts.retryAfterSeconds;
  return {
    status: facts.status,
    headers: {
      'content-type': 'application/json',
      ...(seconds !== undefined && {
        'retry-after': String(seconds),
        'retry-after-ms': String(seconds * RETRY_AFTER_MS_OF_SECOND),
      }),
      ...(facts.status === 429 && {
        'x-ratelimit-limit-requests': '500',
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': `${seconds ?? 1}s`,
      }),
    },
    body: JSON.stringify({
      error: { message: facts.message ?? message, type, param: facts.parameter ?? null, code },
    }),
  };
}

function operationOf(method: string, path: string): Operation | undefined {
  if (method === 'POST' && path === '/v1/chat/completions') return { kind: 'generate' };
  if (method === 'POST' && path === '/v1/embeddings') return { kind: 'embeddings' };
  if (method === 'GET' && path === '/v1/models') return { kind: 'models' };
  if (method === 'POST' && path === '/v1/responses') return { kind: 'generate', api: 'responses' };
  return keptOperation(method, path);
}

function keptOperation(method: string, path: string): KeptOperation | undefined {
  const [, id, items] = /^\/v1\/responses\/([^/]+)(\/input_items)?$/.exec(path) ?? [];
  if (id === undefined) return undefined;
  if (method === 'DELETE' && items === undefined) return { kind: 'kept', id, action: 'delete' };
  if (method !== 'GET') return undefined;
  return { kind: 'kept', id, action: items === undefined ? 'get' : 'input-items' };
}

/** All simulators of a process share it; the ids of their answers differ. */
const keptResponses = new KeptResponses();

function kept({ id, action }: KeptOperation): JsonObject | undefined {
  const found = keptResponses.get(id);
  if (found === undefined) return undefined;
  if (action === 'get') return found.response;
  if (action === 'delete') {
    keptResponses.delete(id);
    return { id, object: 'response', deleted: true };
  }
  const data = found.input.map((item, index) => ({ id: `item_${id}${index}`, ...item }));
  const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
  return { object: 'list', data, ...ends, has_more: false };
}

function keep({ request }: AnswerContext, response: JsonObject): void {
  keptResponses.keep(request, inputItems(request), response);
}

function body(context: AnswerContext): JsonObject {
  if (context.operation.api !== 'responses') return chatCompletion(context);
  const response = responseObject(context);
  keep(context, response);
  return response;
}

function events(context: AnswerContext): StreamEvent[] {
  if (context.operation.api !== 'responses') return chatCompletionEvents(context);
  keep(context, responseObject(context));
  return responseEvents(context);
}

function streamError({ operation }: AnswerContext): StreamEvent {
  const failure = error({ status: 500 }).body;
  if (operation.api !== 'responses') return { wire: dataEvent(failure) };
  return { wire: namedEvent({ type: 'error', sequence_number: 0, ...JSON.parse(failure) }) };
}

export const openai: Vendor = {
  name: 'openai',
  toolCallIdPrefix: 'call_',
  keyOf: (headers) => /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1],
  operationOf,
  checkHeaders: () => undefined,
  parse: (request, { api }) =>
    api === 'responses' ? parseResponses(request, keptResponses) : parseChat(request),
  kept,
  embed: embeddings,
  error,
  keyRefused: (given) =>
    error({
      status: 401,
      message:
        given === undefined
          ? "You didn't provide an API key."
          : `Incorrect API key provided: ${given.slice(0, 3)}***.`,
    }),
  modelList: () => ({
    object: 'list',
    data: models.map((id) => ({
      id,
      object: 'model',
      created: MODEL_CREATED,
      owned_by: 'simulator',
    })),
  }),
  body,
  events,
  streamError,
  frame: dataEvent,
  answerHeaders: (id) => ({
    'x-request-id': `req_${id}`,
    'openai-version': '2020-10-01',
    'openai-processing-ms': '1',
    'x-ratelimit-limit-requests': '500',
    'x-ratelimit-remaining-requests': '499',
    'x-ratelimit-reset-requests': '120ms',
  }),
};
