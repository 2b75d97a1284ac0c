import type { FastifyInstance } from 'fastify';

/** For load balancers, which see the public port alone. The operations port says more. */
export function health(app: FastifyInstance, isReady: () => boolean): void {
  app.get('/livez', { config: { access: 'public' } }, async () => ({ status: 'ok' }));
  app.get('/readyz', { config: { access: 'public' } }, async (_request, reply) => {
    if (isReady()) return { status: 'ok' };
    return reply.code(503).send({ status: 'not ready' });
  });
}
