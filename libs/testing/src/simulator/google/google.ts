import type { IncomingHttpHeaders } from 'node:http';
import type { ErrorFacts, ErrorReply, Operation, Vendor } from '../vendor.ts';
import { countContents } from './count-contents.ts';
import { embedContents } from './embed-contents.ts';
import { parseContents } from './parse-contents.ts';
import { contentEvents, contentResponse, crlfEvent } from './render-contents.ts';

const models = ['gemini-2.5-flash', 'gemini-2.5-pro'];

/** Status name and message of Google's error body by HTTP status. */
const kinds: Readonly<Record<number, readonly [string, string]>> = {
  400: ['INVALID_ARGUMENT', 'Request contains an invalid argument.'],
  401: ['UNAUTHENTICATED', 'Request had invalid authentication credentials.'],
  403: ['PERMISSION_DENIED', 'Permission denied.'],
  404: ['NOT_FOUND', 'The model is not found for API version v1beta.'],
  429: ['RESOURCE_EXHAUSTED', 'You exceeded your current quota, please check your plan.'],
  500: ['INTERNAL', 'An internal error has occurred. Please retry.'],
  503: ['UNAVAILABLE', 'The model is overloaded. Please try again later.'],
  504: ['DEADLINE_EXCEEDED', 'The request took too long.'],
};

function reply(facts: ErrorFacts, details: readonly object[]): ErrorReply {
  const fallback = facts.status < 500 ? kinds[400] : kinds[500];
  const [status, message] = kinds[facts.status] ?? fallback ?? ['INTERNAL', ''];
  return {
    status: facts.status,
    headers: { 'content-type': 'application/json; charset=UTF-8' },
    body: JSON.stringify({
      error: {
        code: facts.status,
        message: facts.message ?? message,
        status,
        ...(details.length > 0 && { details }),
      },
    }),
  };
}

/** Google tells the time to retry in the body, not in a header. */
function error(facts: ErrorFacts): ErrorReply {
  const { retryAfterSeconds: seconds } = facts;
  const type = 'type.googleapis.com/google.rpc.RetryInfo';
  return reply(facts, seconds === undefined ? [] : [{ '@type': type, retryDelay: `${seconds}s` }]);
}

/** A wrong key is an invalid argument here, with 400, as recorded from the real API. */
function keyRefused(given: string | undefined): ErrorReply {
  if (given === undefined) {
    return reply({ status: 403, message: 'Method does not allow unregistered callers.' }, []);
  }
  const message = 'API key not valid. Please pass a valid API key.';
  return reply({ status: 400, message }, [
    {
      '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
      reason: 'API_KEY_INVALID',
      domain: 'googleapis.com',
      metadata: { service: 'generativelanguage.googleapis.com' },
    },
  ]);
}

function operationOf(method: string, path: string, url: URL): Operation | undefined {
  if (method === 'GET' && path === '/v1beta/models') return { kind: 'models' };
  const plain = /^\/v1beta\/models\/(.+):(embedContent|batchEmbedContents|countTokens)$/.exec(path);
  if (method === 'POST' && plain?.[1] !== undefined) {
    const model = decodeURIComponent(plain[1]);
    if (plain[2] === 'countTokens') return { kind: 'count-tokens', model };
    return { kind: 'embeddings', model, batch: plain[2] === 'batchEmbedContents' };
  }
  const match = /^\/v1beta\/models\/(.+):(generateContent|streamGenerateContent)$/.exec(path);
  if (method !== 'POST' || match?.[1] === undefined) return undefined;
  const stream = match[2] === 'streamGenerateContent';
  if (stream && url.searchParams.get('alt') !== 'sse') return undefined;
  return { kind: 'generate', model: decodeURIComponent(match[1]), stream };
}

function keyOf(headers: IncomingHttpHeaders, url: URL): string | undefined {
  const header = headers['x-goog-api-key'];
  const key = typeof header === 'string' ? header : url.searchParams.get('key');
  return key || undefined;
}

export const google: Vendor = {
  name: 'google',
  toolCallIdPrefix: '',
  keyOf,
  operationOf,
  checkHeaders: () => undefined,
  embed: (body, { model = '', batch = false }) => embedContents(body, model, batch),
  countTokens: (body, { model = '' }) => countContents(body, model),
  parse: (body, { model = '', stream = false }) => parseContents(body, model, stream),
  error,
  keyRefused,
  modelList: () => ({
    models: models.map((id) => ({
      name: `models/${id}`,
      version: '001',
      displayName: id,
      inputTokenLimit: 1_048_576,
      outputTokenLimit: 65_536,
      supportedGenerationMethods: ['generateContent', 'countTokens'],
    })),
  }),
  body: contentResponse,
  events: contentEvents,
  streamError: () => ({ wire: crlfEvent(error({ status: 503 }).body) }),
  frame: crlfEvent,
  answerHeaders: () => ({ 'server-timing': 'gfet4t7; dur=1' }),
};
