import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { renderMetrics } from '@gateway/telemetry';
import type { HealthChecks } from './health.ts';

const HEADER_BYTES_MAX = 8 * 1024;
const REQUEST_TIMEOUT_MS = 5000;
const CONNECTIONS_MAX = 64;

export type OperationsServerOptions = {
  readonly host: string;
  /** 0 lets the system choose one. */
  readonly port: number;
  readonly health: HealthChecks;
};

export type OperationsServer = AsyncDisposable & { readonly host: string; readonly port: number };

/**
 * What operators and orchestrators ask of a process, apart from its work: `/livez` answers as long
 * as the event loop turns (a stuck one does not answer, and that is the signal), `/readyz` says
 * whether work should be sent here and why not, `/metrics` is for Prometheus. Rejects when the
 * address cannot be bound.
 */
export async function startOperationsServer(
  options: OperationsServerOptions,
): Promise<OperationsServer> {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: REQUEST_TIMEOUT_MS,
    },
    (request, response) => {
      answer(request, response, options.health).catch(() => response.destroy());
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  return {
    host: address.address,
    port: address.port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  health: HealthChecks,
): Promise<void> {
  const path = request.url?.split('?', 1)[0];
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return sendError(response, 405, 'method_not_allowed', 'Use GET.');
  }
  switch (path) {
    case '/livez':
      return sendJson(response, 200, { status: 'alive' });
    case '/readyz': {
      const { isReady, ...rest } = health.readiness();
      const status = isReady ? 'ready' : 'not ready';
      return sendJson(response, isReady ? 200 : 503, { status, ...rest });
    }
    case '/metrics':
      return send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', await renderMetrics());
    default:
      return sendError(response, 404, 'not_found', 'There are /livez, /readyz and /metrics here.');
  }
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { error: { code, message } });
}

function sendJson(response: ServerResponse, status: number, body: object): void {
  send(response, status, 'application/json', `${JSON.stringify(body)}\n`);
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  });
  response.end(body);
}
