/**
 * The HTTP edge: what a request must be before a handler sees it, and the shape of every refusal.
 *
 * A key is checked before the body is read, and a route is closed to everybody unless it says who may
 * use it.
 */
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import {
  ERRORS,
  GatewayError,
  type KeyRecord,
  newRequestId,
  toGatewayError,
} from '@gateway/protocol';
import { getMeter, HTTP, type Logger } from '@gateway/telemetry';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { type Access, admit, checkBodyHeaders } from './admit.ts';
import type { BudgetShare, ByteBudget } from './byte-budget.ts';
import { clientAddress } from './client-address.ts';
import { capConnections } from './connection-caps.ts';
import type { ErrorStyle } from './error-style.ts';
import { FailedAuthentications } from './failed-authentications.ts';
import type { KeyDirectory } from './key-directory.ts';
import { KnownRoutes, noRoute } from './known-routes.ts';
import type { LoadGuard } from './load-guard.ts';
import { OpenConnections } from './open-connections.ts';
import { readBody } from './read-body.ts';
import { sendRefusal } from './send-refusal.ts';
import { type ServerSpan, startServerSpan } from './server-span.ts';
import { answerSocketError } from './socket-error.ts';
import { trustedProxies } from './trusted-proxies.ts';

const HEADERS_BYTES_MAX = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
/** For the whole request to arrive; a body that is read has its own, shorter one. */
const REQUEST_TIMEOUT_MS = 75_000;
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
const CONNECTIONS_CHECK_MS = 5_000;
const ROUTE_PARAMETER_LENGTH_MAX = 512;

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /** How errors are said; OpenAI's way where nothing is said. */
    errors?: ErrorStyle;
  }
  interface FastifyRequest {
    requestId: string;
    receivedAt: number;
    /** Taken at the start: a socket that is closed has no address any more. */
    clientAddress: string;
    /** Set on every route but the public ones. */
    key: KeyRecord | undefined;
    span: ServerSpan | undefined;
    /** What its body takes of the byte budget, until the answer ends. */
    held: BudgetShare | undefined;
  }
}

export interface HttpServerOptions {
  readonly bodyBytesMax: number;
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly trustedProxies: readonly string[];
  readonly keys: KeyDirectory;
  readonly budget: ByteBudget;
  readonly load: LoadGuard;
  readonly logger: Logger;
  /** How long a closing server goes on serving while a connection is open. */
  readonly lameDuckMs: number;
  /** Ends that time. */
  readonly drainEnding: AbortSignal;
  /** How long headers may take to arrive, and how often that is looked at. */
  readonly headersTimeoutMs?: number;
  readonly connectionsCheckMs?: number;
  /** Told of requests that are refused for want of a valid key. */
  readonly unauthenticated: (request: FastifyRequest, error: GatewayError) => void;
  /** Told of those whose address had too many such refusals, instead. */
  readonly tooManyFailedKeys: () => void;
  /** Records the refusal of a request with a valid key; resolves with the error to be sent. */
  readonly refused: (request: FastifyRequest, error: GatewayError) => Promise<GatewayError>;
}

const requestDuration = getMeter('ingress').createHistogram(HTTP.serverRequestDuration, {
  unit: 's',
  description: 'Time from a request to the end of its answer',
});

/** `close()` of the result serves for a while, then refuses new requests and lets answers end. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const isProxy = trustedProxies(options.trustedProxies);
  const app = Fastify({
    logger: false,
    bodyLimit: options.bodyBytesMax,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    trustProxy: isProxy,
    exposeHeadRoutes: false,
    // Requests to a closing server get an error of ours instead of the framework's.
    return503OnClosing: false,
    routerOptions: { maxParamLength: ROUTE_PARAMETER_LENGTH_MAX },
    http: {
      maxHeaderSize: HEADERS_BYTES_MAX,
      headersTimeout: options.headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: options.connectionsCheckMs ?? CONNECTIONS_CHECK_MS,
      // Node would refuse it without a body; `admit` refuses it with one.
      requireHostHeader: false,
    },
    clientErrorHandler: (error, socket) => refuseSocket(error, socket, connections),
    frameworkErrors: (error, request, reply) => sendRefusal(fromFramework(error), request, reply),
  });
  // Node drops headers over its own limit without a word; over ours they are refused.
  app.server.maxHeadersCount = 0;
  // Without listeners Node answers these by itself, before the key was checked.
  for (const event of ['checkContinue', 'checkExpectation']) {
    app.server.on(event, (request, response) => app.server.emit('request', request, response));
  }
  const connections = new OpenConnections(app.server);
  // Last of those who hear of connections: the others hear of what it admits.
  capConnections(app.server, { ...options, isProxy });
  app.addHook('preClose', async () => {
    await connections.leave(options.lameDuckMs, options.drainEnding);
    connections.close();
  });
  app.decorateRequest('requestId', '');
  app.decorateRequest('receivedAt', 0);
  app.decorateRequest('clientAddress', '');
  app.decorateRequest('key', undefined);
  app.decorateRequest('span', undefined);
  app.decorateRequest('held', undefined);
  admitRequests(app, connections, options);
  takeJsonOnly(app, options);
  answerErrors(app, options);
  return app;
}

function admitRequests(
  app: FastifyInstance,
  connections: OpenConnections,
  options: HttpServerOptions,
): void {
  const { keys, load, unauthenticated, tooManyFailedKeys } = options;
  const failures = new FailedAuthentications();
  app.addHook('onRequest', async (request, reply) => {
    request.requestId = newRequestId();
    request.receivedAt = Date.now();
    request.clientAddress = clientAddress(request);
    reply.headers({ 'x-request-id': request.requestId, 'cache-control': 'no-store' });
    const { access } = request.routeOptions.config;
    observe(request, reply, access);
    if (connections.isClosing) {
      throw new GatewayError('shutting_down', 'This gateway is shutting down. Try again.');
    }
    if (request.is404) return;
    if (load.closesConnections) reply.raw.setHeader('connection', 'close');
    if (access === 'client') checkLoad(request, options);
    try {
      admit(request, access, keys);
    } catch (error) {
      if (request.key === undefined) {
        const tooMany = failures.add(request.clientAddress);
        if (tooMany !== undefined) {
          tooManyFailedKeys();
          throw tooMany;
        }
        unauthenticated(request, toGatewayError(error));
      }
      throw error;
    }
    if (access === 'client') reply.raw.once('close', load.begin());
  });
}

/** Throws `overloaded`, before the key is looked at and without a record. */
function checkLoad({ raw }: FastifyRequest, options: HttpServerOptions): void {
  options.load.admit();
  const announcedBytes = Number(raw.headers['content-length'] ?? 0);
  // A longer one is refused for its length.
  if (announcedBytes <= options.bodyBytesMax) options.budget.checkRoom(announcedBytes);
}

/** Spans and metrics end with the answer, also with one that its client did not wait for. */
function observe(request: FastifyRequest, reply: FastifyReply, access: Access | undefined): void {
  const { url: route } = request.routeOptions;
  // Probes come every few seconds and say nothing.
  if (access !== 'public') request.span = startServerSpan(request.raw, route);
  reply.raw.once('close', () => {
    const status = reply.raw.headersSent ? reply.raw.statusCode : ERRORS.client_closed.status;
    request.span?.end(status);
    requestDuration.record((Date.now() - request.receivedAt) / 1000, {
      [HTTP.route]: route ?? 'none',
      [HTTP.responseStatusCode]: status,
    });
  });
}

function takeJsonOnly(app: FastifyInstance, { bodyBytesMax, budget }: HttpServerOptions): void {
  const bytesMaxOf = (request: FastifyRequest) => request.routeOptions.bodyLimit ?? bodyBytesMax;
  const shareOf = ({ key }: FastifyRequest) => budget.requestShare(key?.id ?? '');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) =>
    readBody(payload, request.held ?? shareOf(request), { bytesMax: bytesMaxOf(request) }),
  );
  app.addHook('preParsing', async (request, reply) => {
    if (request.method === 'GET' || request.is404) return;
    const held = shareOf(request);
    request.held = held;
    reply.raw.once('close', () => held.release());
    if (request.method === 'DELETE') return;
    checkBodyHeaders(request.raw, bytesMaxOf(request));
    held.growTo(Number(request.headers['content-length'] ?? 0));
    if (request.headers.expect !== undefined) reply.raw.writeContinue();
  });
}

function answerErrors(app: FastifyInstance, { logger, refused }: HttpServerOptions): void {
  app.setErrorHandler(async (thrown, request, reply) => {
    const error = fromFramework(thrown);
    if (error.code === 'internal') logger.error({ error: thrown }, 'request failed');
    const answered = request.key === undefined ? error : await refused(request, error);
    return sendRefusal(answered, request, reply);
  });
  const routes = new KnownRoutes();
  app.addHook('onRoute', (route) => routes.add(route));
  app.setNotFoundHandler((request, reply) => {
    const allowed = routes.methodsOf(request.url.split('?', 1)[0] ?? '');
    if (allowed.length > 0) reply.header('allow', allowed.join(', '));
    return sendRefusal(noRoute(allowed), request, reply);
  });
}

/** Fastify's own errors, in our terms. */
function fromFramework(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  switch (codeOf(thrown)) {
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return noRoute([]);
    default:
      return toGatewayError(thrown);
  }
}

function refuseSocket(thrown: Error, socket: Socket, connections: OpenConnections): void {
  const code = codeOf(thrown);
  const isLost = code === 'ECONNRESET' || !socket.writable;
  if (isLost || connections.hasAnswerBegun(socket)) socket.destroy();
  else answerSocketError(code, socket);
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined;
}
