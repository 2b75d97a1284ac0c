import type { JsonObject } from '../../json-value.ts';
import { inputTokens } from '../answer.ts';
import { InvalidRequestError } from '../conversation.ts';
import type { ErrorFacts, ErrorReply, Operation, PlainReply, Vendor } from '../vendor.ts';
import { parseMessages } from './parse-messages.ts';
import { message, messageEvents, namedEvent } from './render-messages.ts';

const models = ['claude-opus-4-5', 'claude-sonnet-4-5', 'claude-haiku-4-5'];

/** Type and message of Anthropic's error body by status. */
const kinds: Readonly<Record<number, readonly [string, string]>> = {
  400: ['invalid_request_error', 'The request is not valid.'],
  401: ['authentication_error', 'invalid x-api-key'],
  403: ['permission_error', 'Your API key may not use the resource.'],
  404: ['not_found_error', 'The requested resource could not be found.'],
  413: ['request_too_large', 'Request exceeds the maximum size'],
  429: ['rate_limit_error', 'This request would exceed the rate limit of your organization.'],
  500: ['api_error', 'Internal server error'],
  529: ['overloaded_error', 'Overloaded'],
};

function error(facts: ErrorFacts): ErrorReply {
  const fallback = facts.status < 500 ? kinds[400] : kinds[500];
  const [type, text] = kinds[facts.status] ?? fallback ?? ['api_error', ''];
  const retried = facts.status === 429 || facts.status >= 500;
  return {
    status: facts.status,
    headers: {
      'content-type': 'application/json',
      'x-should-retry': String(retried),
      ...(facts.retryAfterSeconds !== undefined && {
        'retry-after': String(facts.retryAfterSeconds),
      }),
      ...(facts.status === 429 && {
        'anthropic-ratelimit-requests-limit': '50',
        'anthropic-ratelimit-requests-remaining': '0',
      }),
    },
    body: JSON.stringify({ type: 'error', error: { type, message: facts.message ?? text } }),
  };
}

function operationOf(method: string, path: string): Operation | undefined {
  if (method === 'POST' && path === '/v1/messages') return { kind: 'generate' };
  if (method === 'POST' && path === '/v1/messages/count_tokens') return { kind: 'count-tokens' };
  if (method === 'GET' && path === '/v1/models') return { kind: 'models' };
  return undefined;
}

/** Counts a message, which has no length and nothing else that is about the answer. */
function countMessage(body: JsonObject): PlainReply {
  const extra = ['max_tokens', 'stream', 'temperature'].find((name) => name in body);
  if (extra !== undefined)
    throw new InvalidRequestError(`${extra}: Extra inputs are not permitted`);
  const conversation = parseMessages({ ...body, max_tokens: 1 });
  const reply = { input_tokens: inputTokens(conversation) };
  return { model: conversation.model, reply, inputTokens: 0 };
}

export const anthropic: Vendor = {
  name: 'anthropic',
  toolCallIdPrefix: 'toolu_',
  keyOf: (headers) => {
    const key = headers['x-api-key'];
    return typeof key === 'string' && key !== '' ? key : undefined;
  },
  operationOf,
  checkHeaders: (headers) =>
    headers['anthropic-version'] === undefined
      ? 'anthropic-version: header is required'
      : undefined,
  parse: parseMessages,
  countTokens: countMessage,
  error,
  keyRefused: (given) =>
    error({
      status: 401,
      message: given === undefined ? 'x-api-key header is required' : undefined,
    }),
  modelList: () => ({
    data: models.map((id) => ({
      type: 'model',
      id,
      display_name: id,
      created_at: '2025-01-01T00:00:00Z',
    })),
    has_more: false,
    first_id: models[0],
    last_id: models.at(-1),
  }),
  body: message,
  events: messageEvents,
  streamError: () =>
    namedEvent({
      type: 'error',
      error: { details: null, type: 'overloaded_error', message: 'Overloaded' },
    }),
  frame: (payload) => `event: content_block_delta\ndata: ${payload}\n\n`,
  answerHeaders: (id) => ({
    'request-id': `req_${id}`,
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-requests-remaining': '49',
  }),
};
