/** The routes that a provider answers: each dialect's address, handed to the one request path. */
import type { Secret } from '@gateway/runtime';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ClientEdge } from '../client-edge.ts';
import { ClientReply } from '../client-reply.ts';
import { chatEdge } from '../edges/chat.ts';
import { countTokensEdge } from '../edges/count-tokens.ts';
import { embeddingsEdge } from '../edges/embeddings.ts';
import { geminiEdge, readGeminiAddress } from '../edges/gemini.ts';
import { messagesEdge } from '../edges/messages.ts';
import { responsesEdge } from '../edges/responses.ts';
import { googleErrors } from '../error-styles/google.ts';
import { answerInference, type RequestPath } from '../request-path.ts';
import type { ClientRequest } from '../request-record.ts';
import type { RunningRequests } from '../running-requests.ts';
import { withinSpan } from '../server-span.ts';

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
    const config = { access: 'client', errors: edge.errors } as const;
    const asked = { edge, endpoint: url };
    app.post(url, { config }, (request, reply) => answerOn(context, request, reply, asked));
  }
  const config = { access: 'client', errors: googleErrors } as const;
  for (const url of GEMINI_URLS) {
    app.post<GeminiRoute>(url, { config }, async (request, reply) => {
      const address = readGeminiAddress(request.params['*']);
      const edge = geminiEdge(address, request.query.alt === 'sse');
      const endpoint = url.replace('*', `{model}:${address.method}`);
      await answerOn(context, request as FastifyRequest, reply, { edge, endpoint });
    });
  }
}

interface GeminiRoute {
  Params: { '*': string };
  Querystring: { alt?: unknown };
}

interface Asked {
  readonly edge: ClientEdge;
  /** The address without what a client puts into it, for the audit. */
  readonly endpoint: string;
}

async function answerOn(
  { path, running }: { readonly path: RequestPath; readonly running: RunningRequests },
  request: FastifyRequest,
  reply: FastifyReply,
  { edge, endpoint }: Asked,
): Promise<void> {
  const { span } = request;
  const client = clientRequest(request, endpoint);
  reply.hijack();
  const answer = () => answerInference(client, edge, new ClientReply(reply.raw, edge.errors), path);
  await running.run(async () => {
    try {
      await (span ? withinSpan(span, answer) : answer());
    } catch (error) {
      // Nobody else answers a reply that was taken over.
      path.logger.error({ error, request_id: client.requestId }, 'request not answered');
      reply.raw.destroy();
    }
  });
}

function clientRequest(request: FastifyRequest, endpoint: string): ClientRequest {
  const { requestId, receivedAt, key, span, headers } = request;
  if (!key) throw new Error('An inference route must not be public.');
  return {
    requestId,
    receivedAt,
    key,
    endpoint,
    method: request.method,
    clientIp: request.clientAddress,
    userAgent: headers['user-agent'] ?? '',
    traceId: span?.traceId,
    header: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
  };
}
