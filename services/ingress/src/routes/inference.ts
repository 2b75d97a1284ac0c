/** The routes that a provider answers: each dialect's address, handed to the one request path. */
import type { Secret } from '@gateway/runtime';
import type { FastifyInstance } from 'fastify';
import type { ClientEdge } from '../client-edge.ts';
import { ClientReply } from '../client-reply.ts';
import { chatEdge } from '../edges/chat.ts';
import { countTokensEdge } from '../edges/count-tokens.ts';
import { embeddingsEdge } from '../edges/embeddings.ts';
import { geminiEdge, readGeminiAddress } from '../edges/gemini.ts';
import { messagesEdge } from '../edges/messages.ts';
import { responsesEdge } from '../edges/responses.ts';
import { googleErrors } from '../error-styles/google.ts';
import type { IncomingRequest } from '../incoming-request.ts';
import { answerInference, type RequestPath } from '../request-path.ts';
import type { ClientRequest } from '../request-record.ts';
import type { RunningRequests } from '../running-requests.ts';

/** The dialects by their addresses. `pepper` signs what only a tenant may use again. */
function edgesOf(pepper: Secret): Readonly<Record<string, ClientEdge>> {
  return {
    '/v1/chat/completions': chatEdge,
    '/v1/embeddings': embeddingsEdge,
    '/v1/messages': messagesEdge,
    '/v1/messages/count_tokens': countTokensEdge,
    '/v1/responses': responsesEdge(pepper),
  };
}

/**
 * A model and one of its methods, such as `gemini-2.5-flash:generateContent`. Google's clients ask for
 * version 1 since `@google/genai` 3, older ones for the other.
 */
const GEMINI_URLS = ['/v1/models/*', '/v1beta/models/*'] as const;

export function inference(
  app: FastifyInstance,
  path: RequestPath,
  running: RunningRequests,
  pepper: Secret,
): void {
  const context = { path, running };
  for (const [url, edge] of Object.entries(edgesOf(pepper))) {
    const asked = { edge, endpoint: url };
    const answer = (request: IncomingRequest, body: Buffer) =>
      answerOn(context, request, body, asked);
    const config = { access: 'client', errors: edge.errors, answer } as const;
    app.post(url, { config }, (request, reply) => {
      reply.hijack();
      return answer(request.incoming, bodyOf(request));
    });
  }
  const config = { access: 'client', errors: googleErrors } as const;
  for (const url of GEMINI_URLS) {
    app.post<GeminiRoute>(url, { config }, async (request, reply) => {
      const address = readGeminiAddress(request.params['*']);
      const edge = geminiEdge(address, request.query.alt === 'sse');
      const endpoint = url.replace('*', `{model}:${address.method}`);
      reply.hijack();
      await answerOn(context, request.incoming, bodyOf(request), { edge, endpoint });
    });
  }
}

interface GeminiRoute {
  Params: { '*': string };
  Querystring: { alt?: unknown };
}

function bodyOf({ body }: { readonly body: unknown }): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}

interface Asked {
  readonly edge: ClientEdge;
  /** The address without what a client puts into it, for the audit. */
  readonly endpoint: string;
}

interface InferenceContext {
  readonly path: RequestPath;
  readonly running: RunningRequests;
}

/** Never rejects, and keeps no body that the path releases. */
function answerOn(
  context: InferenceContext,
  request: IncomingRequest,
  body: Buffer,
  { edge, endpoint }: Asked,
): Promise<void> {
  return answerAsked(context, request, clientRequest(request, body, endpoint), edge);
}

async function answerAsked(
  { path, running }: InferenceContext,
  { span, response, requestId }: IncomingRequest,
  asked: ClientRequest,
  edge: ClientEdge,
): Promise<void> {
  running.begin();
  try {
    const reply = new ClientReply(response, edge.errors);
    if (span === undefined) await answerInference(asked, edge, reply, path);
    else await span.run(() => answerInference(asked, edge, reply, path));
  } catch (error) {
    // Nobody else answers a reply that was taken over.
    path.logger.error({ error, request_id: requestId }, 'request not answered');
    response.destroy();
  } finally {
    running.end();
  }
}

function clientRequest(request: IncomingRequest, body: Buffer, endpoint: string): ClientRequest {
  const { requestId, receivedAt, key, span, clientAddress, raw } = request;
  if (!key) throw new Error('An inference route must not be public.');
  const { headers } = raw;
  return {
    requestId,
    receivedAt,
    key,
    endpoint,
    method: raw.method ?? '',
    clientIp: clientAddress,
    userAgent: headers['user-agent'] ?? '',
    traceId: span?.traceId,
    header: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body,
  };
}
