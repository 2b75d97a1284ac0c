import { GatewayError, type KeyRecord } from '@gateway/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { ModelList } from '../model-list.ts';

/** https://platform.openai.com/docs/api-reference/models; ids may hold slashes. */
export function models(app: FastifyInstance, list: ModelList): void {
  app.get('/v1/models', { config: { access: 'client' } }, async (request) => {
    return { object: 'list', data: await list.list(keyOf(request)) };
  });
  app.get<{ Params: { '*': string } }>(
    '/v1/models/*',
    { config: { access: 'client' } },
    async (request) => {
      const found = await list.find(keyOf(request), request.params['*']);
      if (found) return found;
      throw new GatewayError('model_not_found', 'No such model is served by this gateway.', {
        param: 'model',
      });
    },
  );
}

function keyOf({ key }: FastifyRequest): KeyRecord {
  if (!key) throw new Error('The models route must not be public.');
  return key;
}
