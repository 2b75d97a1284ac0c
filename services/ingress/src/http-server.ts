/**
 * The HTTP edge: what a request must be before a handler sees it, and the shape of every refusal.
 *
 * A key is checked before the body is read, and a route is closed to everybody unless it says who may
 * use it.
 */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError, type KeyRecord, newRequestId, toGatewayError } from '@gateway/protocol';
import { getMeter, HTTP, type Logger } from '@gateway/telemetry';
import Fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify';
import { authenticate } from './authenticate.ts';
import { errorBody, errorHeaders } from './error-reply.ts';
import type { KeyDirectory } from './key-directory.ts';
import { type ServerSpan, startServerSpan } from './server-span.ts';

const HEADERS_BYTES_MAX = 16 * 1024;
const HEADERS_MAX = 100;
const HEADERS_TIMEOUT_MS = 10_000;
/** For the whole request to arrive. */
const REQUEST_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
const REQUESTS_PER_SOCKET_MAX = 10_000;
const CONNECTIONS_CHECK_MS = 5_000;
const ROUTE_PARAMETER_LENGTH_MAX = 512;

/** Who may use a route. A route that says nothing is closed. */
export type Access = KeyRecord['role'] | 'public';

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
  }
  interface FastifyRequest {
    requestId: string;
    receivedAt: number;
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
  /** Told of requests that were refused for want of a valid key. */
  readonly unauthenticated: (request: FastifyRequest, error: GatewayError) => void;
}

const requestDuration = getMeter('ingress').createHistogram(HTTP.serverRequestDuration, {
  unit: 's',
  description: 'Time from a request to the end of its answer',
});

export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: options.bodyBytesMax,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    maxRequestsPerSocket: REQUESTS_PER_SOCKET_MAX,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: ROUTE_PARAMETER_LENGTH_MAX },
    http: {
      maxHeaderSize: HEADERS_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
    },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => sendError(fromFramework(error), request, reply),
  });
  // Node drops headers over its own limit without a word; over ours they are refused.
  app.server.maxHeadersCount = 0;
  app.server.on('checkContinue', (request, response) =>
    app.server.emit('request', request, response),
  );
  app.decorateRequest('requestId', '');
  app.decorateRequest('receivedAt', 0);
  app.decorateRequest('key', undefined);
  app.decorateRequest('span', undefined);
  takeJsonOnly(app);
  const routes = rememberRoutes(app);
  app.addHook('onRequest', async (request, reply) => admit(request, reply, options));
  app.addHook('onResponse', async (request, reply) => {
    const status = reply.raw.statusCode;
    request.span?.end(status);
    requestDuration.record((Date.now() - request.receivedAt) / 1000, {
      [HTTP.route]: request.routeOptions.url ?? 'none',
      [HTTP.responseStatusCode]: status,
    });
  });
  app.setErrorHandler((thrown, request, reply) => {
    const error = fromFramework(thrown);
    if (error.code === 'internal') options.logger.error({ error: thrown }, 'request failed');
    return sendError(error, request, reply);
  });
  app.setNotFoundHandler((request, reply) => sendError(noRoute(request, routes), request, reply));
  return app;
}

/** Everything that is refused before the body is read. */
function admit(
  request: FastifyRequest,
  reply: FastifyReply,
  { keys, unauthenticated }: HttpServerOptions,
): void {
  request.requestId = newRequestId();
  request.receivedAt = Date.now();
  const route = request.routeOptions.url;
  if (request.is404 || route === undefined) return;
  request.span = startServerSpan(request.raw, route);
  checkFraming(request.raw);
  const { access } = request.routeOptions.config;
  if (access === undefined) throw new GatewayError('permission_denied', 'This route is closed.');
  if (access !== 'public') {
    try {
      request.key = authenticate(request.headers, keys, access);
    } catch (error) {
      unauthenticated(request, toGatewayError(error));
      throw error;
    }
  }
  if (request.headers.expect !== undefined) reply.raw.writeContinue();
}

function checkFraming({ rawHeaders, headersDistinct, headers }: IncomingMessage): void {
  if (rawHeaders.length / 2 > HEADERS_MAX) {
    throw new GatewayError('headers_too_large', `At most ${HEADERS_MAX} headers are taken.`);
  }
  if (headersDistinct.host?.length !== 1) {
    throw new GatewayError('invalid_request', 'Exactly one Host header is needed.', {
      reason: 'bad_request_framing',
    });
  }
  if ((headersDistinct.authorization?.length ?? 0) > 1) {
    throw new GatewayError(
      'authentication_failed',
      'More than one Authorization header was sent.',
      {
        reason: 'invalid_api_key',
      },
    );
  }
  const { expect } = headers;
  if (expect !== undefined && expect.toLowerCase() !== '100-continue') {
    throw new GatewayError('invalid_request', 'The Expect header is not supported.', {
      reason: 'bad_request_framing',
    });
  }
}

/** Bodies are bytes to us; only the media type is judged here, exactly. */
function takeJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('preParsing', async (request) => {
    if (request.method === 'GET' || request.method === 'DELETE' || request.is404) return;
    const { 'content-type': mediaType = '', 'content-encoding': encoding } = request.headers;
    if (!/^application\/json(; *charset="?utf-8"?)?$/i.test(mediaType.trim())) {
      throw new GatewayError('unsupported_media_type', 'Send the body as application/json.');
    }
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
      throw new GatewayError('unsupported_media_type', 'Compressed bodies are not supported.');
    }
  });
}

type KnownRoutes = readonly { readonly method: string; readonly pattern: RegExp }[];

function rememberRoutes(app: FastifyInstance): KnownRoutes {
  const routes: { method: string; pattern: RegExp }[] = [];
  app.addHook('onRoute', ({ method, url }: RouteOptions) => {
    const source = url.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll(/:[a-z]+|\*/gi, '[^?]+');
    for (const one of [method].flat())
      routes.push({ method: one, pattern: new RegExp(`^${source}$`) });
  });
  return routes;
}

function noRoute(request: FastifyRequest, routes: KnownRoutes): GatewayError {
  const [path = ''] = request.url.split('?');
  const others = routes.filter((route) => route.pattern.test(path));
  if (others.length === 0) return new GatewayError('not_found', 'There is nothing at this path.');
  const allowed = [...new Set(others.map((route) => route.method))].join(', ');
  return new GatewayError('method_not_allowed', `This path takes ${allowed} only.`);
}

function sendError(
  error: GatewayError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const hasUnreadBody =
    request.raw.headers['content-length'] !== undefined && !request.raw.complete;
  const isChunked = request.raw.headers['transfer-encoding'] !== undefined;
  if (hasUnreadBody || isChunked) reply.header('connection', 'close');
  return reply
    .code(error.status)
    .headers({ 'x-request-id': request.requestId || newRequestId(), ...errorHeaders(error, 0) })
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(errorBody(error)));
}

/** Fastify's own errors, in our terms. */
function fromFramework(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const code = codeOf(thrown);
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new GatewayError('request_too_large', 'The request body is too large.');
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new GatewayError('invalid_request', 'The body does not have its announced length.', {
        reason: 'bad_request_framing',
      });
    case 'FST_ERR_BAD_URL':
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new GatewayError('not_found', 'There is nothing at this path.');
    case 'ECONNRESET':
      return new GatewayError('client_closed', 'The client closed the connection.');
    default:
      return toGatewayError(thrown);
  }
}

/** What Node refuses before there is a request: answered on the socket, in the same shape. */
function answerClientError(thrown: Error, socket: Socket): void {
  const code = codeOf(thrown);
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const error = socketError(code);
  const body = JSON.stringify(errorBody(error));
  const headers = {
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
    'x-request-id': newRequestId(),
    ...errorHeaders(error, 0),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const status = `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\n`;
  socket.end(`${status}${lines.join('')}\r\n${body}`);
}

function socketError(code: string | undefined): GatewayError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new GatewayError('headers_too_large', 'The headers are too large.');
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GatewayError('request_timeout', 'The request took too long to arrive.');
    default:
      return new GatewayError('invalid_request', 'This is no valid HTTP request.', {
        reason: 'bad_request_framing',
      });
  }
}

function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : undefined;
}
