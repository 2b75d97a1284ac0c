/**
 * The HTTP edge: what a request must be before a handler sees it, and the shape of every refusal.
 *
 * A key is checked before the body is read, and a route is closed to everybody unless it says who may
 * use it.
 */
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
import { type Access, admit, bodyTooLarge, checkBodyHeaders } from './admit.ts';
import { clientAddress } from './client-address.ts';
import type { ErrorStyle } from './error-style.ts';
import type { KeyDirectory } from './key-directory.ts';
import { KnownRoutes, noRoute } from './known-routes.ts';
import { OpenConnections } from './open-connections.ts';
import { sendRefusal } from './send-refusal.ts';
import { type ServerSpan, startServerSpan } from './server-span.ts';
import { answerSocketError } from './socket-error.ts';

const HEADERS_BYTES_MAX = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
/** For the whole request to arrive. */
const REQUEST_TIMEOUT_MS = 60_000;
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
  }
}

export interface HttpServerOptions {
  readonly bodyBytesMax: number;
  readonly trustedProxies: readonly string[];
  readonly keys: KeyDirectory;
  readonly logger: Logger;
  /** Told of requests that are refused for want of a valid key. */
  readonly unauthenticated: (request: FastifyRequest, error: GatewayError) => void;
  /** Records the refusal of a request with a valid key; resolves with the error to be sent. */
  readonly refused: (request: FastifyRequest, error: GatewayError) => Promise<GatewayError>;
}

const requestDuration = getMeter('ingress').createHistogram(HTTP.serverRequestDuration, {
  unit: 's',
  description: 'Time from a request to the end of its answer',
});

/** Disposal of the result by `close()` lets answers end and refuses new requests. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: options.bodyBytesMax,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    exposeHeadRoutes: false,
    // Requests to a closing server get an error of ours instead of the framework's.
    return503OnClosing: false,
    routerOptions: { maxParamLength: ROUTE_PARAMETER_LENGTH_MAX },
    http: {
      maxHeaderSize: HEADERS_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
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
  app.addHook('preClose', async () => connections.close());
  app.decorateRequest('requestId', '');
  app.decorateRequest('receivedAt', 0);
  app.decorateRequest('clientAddress', '');
  app.decorateRequest('key', undefined);
  app.decorateRequest('span', undefined);
  admitRequests(app, connections, options);
  takeJsonOnly(app, options);
  answerErrors(app, options);
  return app;
}

function admitRequests(
  app: FastifyInstance,
  connections: OpenConnections,
  { keys, unauthenticated }: HttpServerOptions,
): void {
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
    try {
      admit(request, access, keys);
    } catch (error) {
      if (request.key === undefined) unauthenticated(request, toGatewayError(error));
      throw error;
    }
  });
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

function takeJsonOnly(app: FastifyInstance, { bodyBytesMax }: HttpServerOptions): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('preParsing', async (request, reply) => {
    if (request.method === 'GET' || request.method === 'DELETE' || request.is404) return;
    checkBodyHeaders(request.raw, request.routeOptions.bodyLimit ?? bodyBytesMax);
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
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return bodyTooLarge();
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new GatewayError('invalid_request', 'The body does not have its announced length.', {
        reason: 'bad_request_framing',
      });
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return noRoute([]);
    case 'ECONNRESET':
      return new GatewayError('client_closed', 'The client closed the connection.');
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
