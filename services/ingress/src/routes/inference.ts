/** The routes that a provider answers: each dialect's address, handed to the one request path. */
import type { Secret } from '@gateway/runtime';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ClientEdge } from '../client-edge.ts';
import { ClientReply } from '../client-reply.ts';
import { chatEdge } from '../edges/chat.ts';
import { messagesEdge } from '../edges/messages.ts';
import { responsesEdge } from '../edges/responses.ts';
import { answerInference, type RequestPath } from '../request-path.ts';
import type { ClientRequest } from '../request-record.ts';
import type { RunningRequests } from '../running-requests.ts';
import { withinSpan } from '../server-span.ts';

/** The dialects by their addresses. `pepper` signs what only a tenant may use again. */
function edgesOf(pepper: Secret): Readonly<Record<string, ClientEdge>> {
  return {
    '/v1/chat/completions': chatEdge,
    '/v1/messages': messagesEdge,
    '/v1/responses': responsesEdge(pepper),
  };
}

export function inference(
  app: FastifyInstance,
  path: RequestPath,
  running: RunningRequests,
  pepper: Secret,
): void {
  for (const [url, edge] of Object.entries(edgesOf(pepper))) {
    const config = { access: 'client', errors: edge.errors } as const;
    app.post(url, { config }, async (request, reply) => {
      const { span } = request;
      const client = clientRequest(request);
      reply.hijack();
      const answer = () =>
        answerInference(client, edge, new ClientReply(reply.raw, edge.errors), path);
      await running.run(async () => {
        try {
          await (span ? withinSpan(span, answer) : answer());
        } catch (error) {
          // Nobody else answers a reply that was taken over.
          path.logger.error({ error, request_id: client.requestId }, 'request not answered');
          reply.raw.destroy();
        }
      });
    });
  }
}

function clientRequest(request: FastifyRequest): ClientRequest {
  const { requestId, receivedAt, key, span, headers } = request;
  if (!key) throw new Error('An inference route must not be public.');
  return {
    requestId,
    receivedAt,
    key,
    endpoint: request.routeOptions.url ?? '',
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
