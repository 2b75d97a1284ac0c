import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ClientReply } from '../client-reply.ts';
import { answerInference, type RequestPath } from '../request-path.ts';
import type { ClientRequest } from '../request-record.ts';
import type { RunningRequests } from '../running-requests.ts';
import { withinSpan } from '../server-span.ts';

/** https://platform.openai.com/docs/api-reference/chat/create */
export function chatCompletions(
  app: FastifyInstance,
  path: RequestPath,
  running: RunningRequests,
): void {
  app.post('/v1/chat/completions', { config: { access: 'client' } }, async (request, reply) => {
    const { span } = request;
    const client = clientRequest(request);
    reply.hijack();
    const answer = () => answerInference(client, new ClientReply(reply.raw), path);
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
