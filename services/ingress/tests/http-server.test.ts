import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openInProcessHub } from '@gateway/bus';
import { newInstanceId } from '@gateway/protocol';
import { Secret } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ByteBudget } from '../src/byte-budget.ts';
import { createHttpServer, type HttpServerOptions } from '../src/http-server.ts';
import { KeyDirectory } from '../src/key-directory.ts';
import { LoadGuard } from '../src/load-guard.ts';
import { health } from '../src/routes/health.ts';
import { openRawConnection } from './raw-connection.ts';

const CLIENT_KEY = 'client-key-of-the-tests';
const CALM = { lagMs: 0, heapShare: 0.1 };

/** The HTTP edge alone, with one route of clients, at a load that the test makes up. */
async function startServer(options: Partial<HttpServerOptions> & { load?: LoadGuard } = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'edge-'));
  const logger = createLogger('ingress', { level: 'silent' });
  const hub = await openInProcessHub({ directory, durability: 'process', freezesValues: true });
  const bus = hub.connect({ service: 'ingress', instance: newInstanceId() });
  const bootstrapKeys = { client: new Secret(CLIENT_KEY) };
  const pepper = new Secret('pepper-of-the-tests');
  const keys = await KeyDirectory.open({ bus, logger, pepper, bootstrapKeys });
  const app = createHttpServer({
    bodyBytesMax: 1024,
    connectionsMax: 10,
    connectionsPerAddressMax: 10,
    trustedProxies: [],
    keys,
    budget: new ByteBudget(2048, 1024),
    load: guardAt(CALM),
    logger,
    lameDuckMs: 0,
    drainEnding: new AbortController().signal,
    unauthenticated: () => {},
    tooManyFailedKeys: () => {},
    refused: async (_request, error) => error,
    ...options,
  });
  app.get('/client', { config: { access: 'client' } }, async () => ({}));
  app.get('/admin', { config: { access: 'admin' } }, async () => ({}));
  health(app, () => true);
  await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(async () => {
    await app.close();
    await keys[Symbol.asyncDispose]();
    await hub.close();
    await rm(directory, { recursive: true });
  });
  const { port } = app.server.address() as AddressInfo;
  const get = (path: string) =>
    fetch(`http://127.0.0.1:${port}${path}`, { headers: { 'x-api-key': CLIENT_KEY } });
  return { port, get };
}

/** A guard that has seen this load for two seconds. */
function guardAt(load: typeof CALM): LoadGuard {
  const guard = new LoadGuard({ runningMax: 10, sampleFrom: () => load });
  onTestFinished(() => guard[Symbol.dispose]());
  guard.sample();
  guard.sample();
  return guard;
}

describe('a process with too much to do', () => {
  test.for([
    ['lag', { lagMs: 501, heapShare: 0.1 }],
    ['a full heap', { lagMs: 0, heapShare: 0.95 }],
  ] as const)('sheds requests of clients because of %s, and nothing else', async ([, load]) => {
    const { get } = await startServer({ load: guardAt(load) });
    const shed = await get('/client');
    expect(shed.status).toBe(503);
    expect(await shed.json()).toMatchObject({ error: { code: 'overloaded' } });
    expect(shed.headers.get('retry-after')).toBe('2');
    // The key is a client's: 403 says that it was looked at.
    expect((await get('/admin')).status).toBe(403);
    expect((await get('/livez')).status).toBe(200);
    expect((await get('/readyz')).status).toBe(200);
  });

  test('closes connections after their answers when its heap is nearly full', async () => {
    const full = await startServer({ load: guardAt({ lagMs: 0, heapShare: 0.92 }) });
    const answer = await full.get('/client');
    expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
    const calm = await startServer();
    expect((await calm.get('/client')).headers.get('connection')).toBe('keep-alive');
  });
});

describe('headers that do not end', () => {
  test.for(['GET /client HTTP/1.1\r\n', 'GET /client HTTP/1.1\r\nHost: a\r\nX-Slow: 1'])(
    'are answered with 408 in the shape of every error: %j',
    async (start) => {
      const { port } = await startServer({ headersTimeoutMs: 50, connectionsCheckMs: 10 });
      const connection = openRawConnection(port);
      connection.send(start);
      const [answer] = await connection.answers(1);
      expect(answer?.status).toBe(408);
      expect(JSON.parse(answer?.body ?? '')).toMatchObject({ error: { code: 'request_timeout' } });
      await connection.closed();
    },
  );
});
