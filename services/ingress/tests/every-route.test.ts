/** Who may use which route, for every route that the router has. */
import { type ChannelListener, subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ADMIN_KEY, CLIENT_KEY, type Harness, startHarness } from './ingress-harness.ts';

const EXPECTED: Readonly<Record<string, 'public' | 'client' | 'admin'>> = {
  'GET /livez': 'public',
  'GET /readyz': 'public',
  'POST /v1/chat/completions': 'client',
  'POST /v1/embeddings': 'client',
  'POST /v1/messages': 'client',
  'POST /v1/messages/count_tokens': 'client',
  'POST /v1/responses': 'client',
  'GET /v1/responses/:id': 'client',
  'DELETE /v1/responses/:id': 'client',
  'GET /v1/responses/:id/input_items': 'client',
  'GET /v1/models': 'client',
  'GET /v1/models/*': 'client',
  'POST /v1/models/*': 'client',
  'POST /v1beta/models/*': 'client',
  'POST /admin/v1/keys': 'admin',
  'GET /admin/v1/keys': 'admin',
  'DELETE /admin/v1/keys/:id': 'admin',
  'GET /admin/v1/requests': 'admin',
};

/** Without a key, with one of a client, with one of an admin. */
const VERDICTS = {
  public: ['answered', 'answered', 'answered'],
  client: [401, 'answered', 403],
  admin: [401, 403, 'answered'],
};

/** An ingress, and each route as its router was given it. */
async function startWithRoutes(): Promise<{ gateway: Harness; routes: Map<string, unknown> }> {
  const routes = new Map<string, unknown>();
  const watch: ChannelListener = (message) => {
    const { fastify } = message as { readonly fastify: FastifyInstance };
    fastify.addHook('onRoute', ({ method, url, config }: RouteOptions) => {
      for (const one of [method].flat()) routes.set(`${one} ${url}`, config?.access);
    });
  };
  subscribe('fastify.initialization', watch);
  onTestFinished(() => void unsubscribe('fastify.initialization', watch));
  const environment = { GATEWAY_TRUSTED_PROXIES: 'loopback' };
  return { gateway: await startHarness({ environment }), routes };
}

let clients = 0;

function ask({ origin }: Harness, route: string, key?: string): Promise<Response> {
  const [method = '', path = ''] = route.split(' ');
  const url = `${origin}${path.replace(/[*]|:\w+/g, 'abc')}`;
  // Each from its own address, or too many of them would be without a valid key.
  clients += 1;
  const from = { 'x-forwarded-for': `2001:db8:0:${clients.toString(16)}::1` };
  return fetch(url, {
    method,
    headers: { ...from, ...(key !== undefined && { 'x-api-key': key }) },
  });
}

describe('every route', () => {
  test('says who may use it, as is expected of it', async () => {
    const { routes } = await startWithRoutes();
    expect(Object.fromEntries(routes)).toEqual(EXPECTED);
  });

  test('refuses whoever it is not for, by the key alone', async () => {
    const { gateway, routes } = await startWithRoutes();
    for (const route of routes.keys()) {
      const verdicts = [];
      for (const key of [undefined, CLIENT_KEY, ADMIN_KEY]) {
        const { status } = await ask(gateway, route, key);
        verdicts.push(status === 401 || status === 403 ? status : 'answered');
      }
      expect(verdicts, route).toEqual(VERDICTS[EXPECTED[route] ?? 'public']);
    }
    expect(gateway.reached).toEqual({ limiter: 0, cache: 0, worker: 0 });
  });

  test('that says nothing of who may use it is closed', async () => {
    const watch: ChannelListener = (message) => {
      const { fastify } = message as { readonly fastify: FastifyInstance };
      fastify.get('/undeclared', async () => 'open');
    };
    subscribe('fastify.initialization', watch);
    onTestFinished(() => void unsubscribe('fastify.initialization', watch));
    const gateway = await startHarness();
    for (const key of [undefined, CLIENT_KEY, ADMIN_KEY]) {
      expect((await ask(gateway, 'GET /undeclared', key)).status).toBe(403);
    }
  });
});
