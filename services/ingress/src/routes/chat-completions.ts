import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ClientReply } from '../client-reply.ts';
import { answerInference, type RequestPath } from '../request-path.ts';
import type { ClientRequest } from '../request-record.ts';
import { withinSpan } from '../server-span.ts';

/** https://platform.openai.com/docs/api-reference/chat/create */
export function chatCompletions(app: FastifyInstance, path: RequestPath): void {
  app.post('/v1/chat/completions', { config: { access: 'client' } }, async (request, reply) => {
    const { span } = request;
    reply.hijack();
    const client = clientRequest(request);
    const answer = () => answerInference(client, new ClientReply(reply.raw), path);
    await (span ? withinSpan(span, answer) : answer());
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
    clientIp: request.ip,
    userAgent: headers['user-agent'] ?? '',
    traceId: span?.traceId,
    header: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
  };
}
