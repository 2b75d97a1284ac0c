/**
 * The HTTP edge: the server, its bounds, and the way from a socket to a route.
 *
 * Every request passes the front door first: a key is checked before the body is read, and a route is
 * closed to everybody unless it says who may use it. A route with `answer` is found without the
 * framework where the address is exactly its own. The framework, which takes 10 to 20 µs, finds every
 * other spelling of it, and every other route.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { GatewayError, type KeyRecord, toGatewayError } from '@gateway/protocol';
import Fastify, {
  type FastifyContextConfig,
  type FastifyInstance,
  type FastifyRequest,
} from 'fastify';
import { capConnections } from './connection-caps.ts';
import type { ErrorStyle } from './error-style.ts';
import { openaiErrors } from './error-styles/openai.ts';
import { FrontDoor, type FrontDoorOptions } from './front-door.ts';
import type { Access, IncomingRequest, Route } from './incoming-request.ts';
import { KnownRoutes, noRoute } from './known-routes.ts';
import { OpenConnections } from './open-connections.ts';
import { sendRefusal } from './send-refusal.ts';
import { answerSocketError } from './socket-error.ts';
import { trustedProxies } from './trusted-proxies.ts';

const HEADERS_BYTES_MAX = 16 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
/** For the whole request to arrive; a body that is read has its own, shorter one. */
const REQUEST_TIMEOUT_MS = 75_000;
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
const CONNECTIONS_CHECK_MS = 5_000;
const ROUTE_PARAMETER_LENGTH_MAX = 512;

/** Answers a request whose body was read. Must not reject: nobody else answers then. */
export type Answer = (request: IncomingRequest, body: Buffer) => Promise<void>;

declare module 'fastify' {
  interface FastifyContextConfig {
    access?: Access;
    /** How errors are said; OpenAI's way where nothing is said. */
    errors?: ErrorStyle;
    answer?: Answer;
  }
  interface FastifyRequest {
    incoming: IncomingRequest;
    readonly requestId: string;
    readonly key: KeyRecord | undefined;
  }
}

export interface HttpServerOptions extends FrontDoorOptions {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly trustedProxies: readonly string[];
  /** How long a closing server goes on serving while a connection is open. */
  readonly lameDuckMs: number;
  /** Ends that time. */
  readonly drainEnding: AbortSignal;
  /** How long headers may take to arrive, and how often that is looked at. */
  readonly headersTimeoutMs?: number;
  readonly connectionsCheckMs?: number;
}

function noSchemas(): never {
  throw new Error('A route has a schema, and nothing here compiles schemas.');
}

/** Bodies are checked by zod. Without this Fastify loads its compilers, 130 modules, at every start. */
const NO_SCHEMAS = { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } };

/** `close()` of the result serves for a while, then refuses new requests and lets answers end. */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const isProxy = trustedProxies(options.trustedProxies);
  const app = Fastify({
    logger: false,
    schemaController: NO_SCHEMAS,
    bodyLimit: options.bodyBytesMax,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
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
    frameworkErrors: (error, request, reply) => {
      reply.hijack();
      sendRefusal(fromFramework(error), { raw: request.raw, response: reply.raw });
    },
  });
  // Node drops headers over its own limit without a word; over ours they are refused.
  app.server.maxHeadersCount = 0;
  // Without listeners Node answers these by itself, before the key was checked.
  for (const event of ['checkContinue', 'checkExpectation']) {
    app.server.on(event, (request, response) => app.server.emit('request', request, response));
  }
  const isClosing = () => connections.isClosing;
  const door = new FrontDoor(options, { isProxy, isClosing });
  // Next to the framework: the others hear of every request.
  answerDirectly(app, door, options);
  const connections = new OpenConnections(app.server);
  // Last of those who hear of connections: the others hear of what it admits.
  capConnections(app.server, { ...options, isProxy });
  app.addHook('preClose', async () => {
    await connections.leave(options.lameDuckMs, options.drainEnding);
    connections.close();
  });
  passTheDoor(app, door, options);
  takeBodies(app, door);
  answerErrors(app, door);
  return app;
}

function passTheDoor(app: FastifyInstance, door: FrontDoor, options: HttpServerOptions): void {
  app.decorateRequest('incoming');
  const fromIncoming = {
    requestId(this: FastifyRequest) {
      return this.incoming.requestId;
    },
    key(this: FastifyRequest) {
      return this.incoming.key;
    },
  };
  app.decorateRequest('requestId', { getter: fromIncoming.requestId });
  app.decorateRequest('key', { getter: fromIncoming.key });
  app.addHook('onRequest', async (request, reply) => {
    const route = request.is404 ? undefined : routeFrom(request.routeOptions, options);
    request.incoming = door.meet(request.raw, reply.raw, route);
    reply.headers({ 'x-request-id': request.requestId, 'cache-control': 'no-store' });
    door.admit(request.incoming);
  });
}

function takeBodies(app: FastifyInstance, door: FrontDoor): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request: FastifyRequest) => door.readBody(request.incoming));
  app.addHook('preParsing', async ({ method, is404, incoming }) => {
    if (method !== 'GET' && method !== 'DELETE' && !is404) door.expectBody(incoming);
  });
}

/** Puts the routes with `answer` before the framework. */
function answerDirectly(app: FastifyInstance, door: FrontDoor, options: HttpServerOptions): void {
  const direct = new Map<string, Route & { readonly answer: Answer }>();
  app.addHook('onRoute', (registered) => {
    const { url, method, config } = registered;
    if (method !== 'POST' || config?.answer === undefined) return;
    direct.set(url, { ...routeFrom(registered, options), answer: config.answer });
  });
  intercept(app.server, (raw, response) => {
    const route = raw.method === 'POST' ? direct.get(raw.url ?? '') : undefined;
    if (route === undefined) return false;
    const request = door.meet(raw, response, route);
    void answerOne(request, route.answer, door);
    return true;
  });
}

async function answerOne(request: IncomingRequest, answer: Answer, door: FrontDoor): Promise<void> {
  let body: Buffer;
  try {
    door.admit(request);
    door.expectBody(request);
    body = await door.readBody(request);
  } catch (error) {
    return door.refuse(request, error);
  }
  return answer(request, body);
}

type Interceptor = (raw: IncomingMessage, response: ServerResponse) => boolean;

/** Takes the place of the listeners there are, which hear of a request that the interceptor leaves. */
function intercept(server: Server, takes: Interceptor): void {
  const listeners = server.listeners('request');
  server.removeAllListeners('request');
  server.on('request', (raw: IncomingMessage, response: ServerResponse) => {
    if (takes(raw, response)) return;
    for (const listener of listeners) listener.call(server, raw, response);
  });
}

/** What the framework knows of a route, when it is registered and when it is asked for. */
interface RegisteredRoute {
  readonly url?: string | undefined;
  readonly bodyLimit?: number | undefined;
  readonly config?: FastifyContextConfig | undefined;
}

function routeFrom(
  { url = '', bodyLimit, config }: RegisteredRoute,
  { bodyBytesMax }: HttpServerOptions,
): Route {
  const { access, errors = openaiErrors } = config ?? {};
  return { url, access, errors, bodyBytesMax: bodyLimit ?? bodyBytesMax };
}

function answerErrors(app: FastifyInstance, door: FrontDoor): void {
  app.setErrorHandler(async (thrown, request, reply) => {
    reply.hijack();
    await door.refuse(request.incoming, fromFramework(thrown));
  });
  const routes = new KnownRoutes();
  app.addHook('onRoute', (route) => routes.add(route));
  app.setNotFoundHandler((request, reply) => {
    const allowed = routes.methodsOf(request.url.split('?', 1)[0] ?? '');
    const more = allowed.length > 0 ? { allow: allowed.join(', ') } : undefined;
    reply.hijack();
    sendRefusal(noRoute(allowed), request.incoming, more);
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
