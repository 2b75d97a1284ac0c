/** A real ingress on a real bus; the limiter, the cache and the worker are played by the test. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Bus,
  type CallHandler,
  type InProcessHub,
  openInProcessHub,
  type RequestHandler,
} from '@gateway/bus';
import {
  type AttemptedEvent,
  cacheLookupEndpoint,
  consumers,
  EVENT_SCHEMA,
  type FinishedEvent,
  GatewayError,
  type GatewayEvent,
  type InferenceHead,
  type InferenceRequest,
  inferenceEndpoint,
  type LookupReply,
  type LookupRequest,
  type ModelsReply,
  modelsEndpoint,
  NO_USAGE,
  newInstanceId,
  type ReserveReply,
  type ReserveRequest,
  reserveEndpoint,
  type ServiceName,
} from '@gateway/protocol';
import { type Environment, HealthChecks } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { waitFor } from '@gateway/testing';
import { onTestFinished } from 'vitest';
import { readSettings } from '../src/config.ts';
import { type Ingress, startIngress } from '../src/ingress.ts';

export const CLIENT_KEY = 'client-key-of-the-tests';
export const ADMIN_KEY = 'admin-key-of-the-tests';

/** `gateway.yaml` of the tests: one model with two targets, one with one, and short timeouts. */
const FILE = `
providers:
  first: {kind: openai-compatible, base_url: 'http://127.0.0.1:1'}
  second: {kind: openai-compatible, base_url: 'http://127.0.0.1:1'}
models:
  - match: two-targets
    targets: [{provider: first, model: model-a}, {provider: second, model: model-b}]
  - match: one-target
    targets: [{provider: first}]
  - match: meta/llama-3
    targets: [{provider: first}]
`;

export type WorkerHandler = CallHandler<InferenceRequest, InferenceHead>;
export type WorkerCall = Parameters<WorkerHandler>[0];

export interface HarnessOptions {
  readonly environment?: Environment;
  readonly file?: string;
  /** `undefined` leaves the service out. */
  readonly limiter?: RequestHandler<ReserveRequest, ReserveReply> | undefined;
  readonly cache?: RequestHandler<LookupRequest, LookupReply> | undefined;
  readonly worker?: WorkerHandler | undefined;
  readonly models?: () => ModelsReply;
  /** Whether events are read as they come; otherwise they stay in the backlog. */
  readonly consumes?: boolean;
}

export interface Harness {
  readonly hub: InProcessHub;
  readonly ingress: Ingress;
  readonly origin: string;
  readonly events: readonly GatewayEvent[];
  /** What reached the services behind the ingress. */
  readonly reached: { limiter: number; cache: number; worker: number };
  /** While it is full, nothing that the ingress publishes is stored. */
  readonly ledger: { isFull: boolean };
  /** As `kill -9` would. */
  killWorker(): void;
  readonly auditWriter: Bus;
  connect(service: ServiceName): Bus;
  startIngress(environment?: Environment): Promise<StoppableIngress>;
  post(body: unknown, options?: PostOptions): Promise<Response>;
  get(path: string, key?: string): Promise<Response>;
  /** The only `finished` event of the request; waits for it. */
  finished(requestId: string | null): Promise<FinishedEvent>;
  attempted(requestId: string | null): readonly AttemptedEvent[];
  /** Stops the ingress as the process would. */
  stop(): Promise<void>;
  /** As the process does shortly before its time to drain is over. */
  endDrain(): void;
}

interface StoppableIngress extends Ingress {
  stop(): Promise<void>;
  endDrain(): void;
}

export interface PostOptions {
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

export const allowed: RequestHandler<ReserveRequest, ReserveReply> = async ({ value }) => ({
  value: {
    allowed: true,
    limits: value.limits.map(({ scope, kind, amount }) => ({
      scope,
      kind,
      amount,
      remaining: amount - 1,
      resetMs: 60_000,
    })),
  },
});

const miss: RequestHandler<LookupRequest, LookupReply> = async () => ({ value: {} });

export function attemptedBy(
  { request, attempt, requestId }: WorkerCall,
  fields: Partial<AttemptedEvent> = {},
): AttemptedEvent {
  return {
    kind: 'attempted',
    schema: EVENT_SCHEMA,
    requestId,
    attempt,
    at: Date.now(),
    tenant: request.tenant,
    provider: request.target.provider,
    model: request.target.model,
    finishReasons: ['stop'],
    usage: { ...NO_USAGE, inputTokens: 3, outputTokens: 5 },
    usageSource: 'provider',
    latencyMs: 1,
    assumed: false,
    ...fields,
  };
}

export const ANSWER = '{"id":"answer","choices":[]}';
export const EVENTS = ['data: {"n":1}\n\n', 'data: {"n":2}\n\n', 'data: [DONE]\n\n'];

export function openAnswer(call: WorkerCall): void {
  call.accept();
  const { provider, model } = call.request.target;
  const contentType = call.request.stream ? 'text/event-stream' : 'application/json';
  call.head({ contentType, provider, model });
}

/** Answers every request. */
export const answering: WorkerHandler = async (call) => {
  openAnswer(call);
  for (const piece of call.request.stream ? EVENTS : [ANSWER]) await call.data(Buffer.from(piece));
  await call.end(attemptedBy(call));
};

export function chat(fields: object = {}): object {
  return { model: 'one-target', messages: [{ role: 'user', content: 'Hello' }], ...fields };
}

export async function startHarness(options: HarnessOptions = {}): Promise<Harness> {
  const directory = await mkdtemp(join(tmpdir(), 'ingress-'));
  const filePath = join(directory, 'gateway.yaml');
  await writeFile(filePath, options.file ?? FILE);
  const hub = await openInProcessHub({
    directory: join(directory, 'bus'),
    durability: 'process',
    freezesValues: true,
  });
  // What is registered last is done first: the ingress stops before its bus.
  onTestFinished(async () => {
    await hub.close();
    await rm(directory, { recursive: true });
  });
  const connect = (service: ServiceName) => hub.connect({ service, instance: newInstanceId() });
  const reached = { limiter: 0, cache: 0, worker: 0 };
  const [worker, auditWriter] = [connect('provider-worker'), connect('audit-writer')];
  await serve(options, { connect, worker, reached });
  const ledger = { isFull: false };
  const events: GatewayEvent[] = [];
  if (options.consumes ?? true) {
    const take = async (batch: readonly { value: unknown; acknowledge(): void }[]) => {
      for (const delivery of batch) {
        events.push(delivery.value as GatewayEvent);
        delivery.acknowledge();
      }
    };
    await auditWriter.consume(consumers.auditWriter, take, { batchMax: 100, lingerMs: 1 });
  }
  const start = (environment: Environment = {}) =>
    startOneIngress(withLedger(connect('ingress'), ledger), {
      GATEWAY_CONFIG: filePath,
      ...options.environment,
      ...environment,
    });
  const ingress = await start();
  const origin = `http://${ingress.host}:${ingress.port}`;
  return {
    hub,
    ingress,
    origin,
    events,
    reached,
    ledger,
    killWorker: () => (worker as Bus & { close(): void }).close(),
    auditWriter,
    connect,
    startIngress: start,
    post: (body, { headers, signal } = {}) =>
      fetch(`${origin}/v1/chat/completions`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${CLIENT_KEY}`,
          'content-type': 'application/json',
          ...headers,
        },
        body: typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body),
        ...(signal && { signal }),
      }),
    get: (path, key = CLIENT_KEY) =>
      fetch(`${origin}${path}`, { headers: { authorization: `Bearer ${key}` } }),
    finished: (requestId) => onlyFinished(events, requestId),
    attempted: (requestId) =>
      events.filter(
        (event) => event.kind === 'attempted' && event.requestId === requestId,
      ) as AttemptedEvent[],
    stop: () => ingress.stop(),
    endDrain: () => ingress.endDrain(),
  };
}

/** A bus whose event log can be full. */
function withLedger(bus: Bus, ledger: Harness['ledger']): Bus {
  const publish: Bus['publish'] = async (event, options) => {
    if (!ledger.isFull) return bus.publish(event, options);
    throw new GatewayError('audit_unavailable', 'The request could not be recorded.');
  };
  return new Proxy(bus, {
    get(target, name) {
      if (name === 'publish' || name === 'record') return publish;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

interface Outside {
  connect(service: ServiceName): Bus;
  readonly worker: Bus;
  readonly reached: Harness['reached'];
}

async function serve(options: HarnessOptions, { connect, worker, reached }: Outside) {
  const {
    limiter,
    cache,
    worker: handler,
    models,
  } = {
    limiter: allowed,
    cache: miss,
    worker: answering,
    ...options,
  };
  const concurrency = { concurrencyMax: 64 };
  if (limiter) {
    const counted: typeof limiter = async (message) => {
      reached.limiter += 1;
      return limiter(message);
    };
    await connect('rate-limiter').respond(reserveEndpoint, counted, concurrency);
  }
  if (cache) {
    const counted: typeof cache = async (message) => {
      reached.cache += 1;
      return cache(message);
    };
    await connect('cache').respond(cacheLookupEndpoint, counted, concurrency);
  }
  for (const provider of ['first', 'second']) {
    if (models) {
      const list = async () => ({ value: models() });
      await worker.respond(modelsEndpoint(provider), list, concurrency);
    }
    if (!handler) continue;
    const counted: WorkerHandler = async (call) => {
      reached.worker += 1;
      await handler(call);
    };
    await worker.serve(inferenceEndpoint(provider), counted, concurrency);
  }
}

async function startOneIngress(bus: Bus, environment: Environment) {
  const [stop, drainEnding] = [new AbortController(), new AbortController()];
  const health = new HealthChecks();
  const ingress = await startIngress(
    readSettings({
      GATEWAY_PORT: '0',
      GATEWAY_KEY_PEPPER: 'pepper-of-the-tests',
      GATEWAY_API_KEY: CLIENT_KEY,
      GATEWAY_ADMIN_KEY: ADMIN_KEY,
      RATE_LIMIT_REQUESTS: '10',
      GATEWAY_LAME_DUCK_SECONDS: '0',
      ...environment,
    }),
    {
      name: 'ingress',
      version: '0.0.0',
      instance: bus.identity.instance,
      logger: createLogger('ingress', { level: 'silent' }),
      health,
      signal: stop.signal,
      drainEnding: drainEnding.signal,
      bus,
    },
  );
  let stopped: Promise<void> | undefined;
  const once = async () => {
    stop.abort();
    stopped ??= Promise.resolve(ingress[Symbol.asyncDispose]());
    await stopped;
  };
  onTestFinished(once);
  return { ...ingress, stop: once, endDrain: () => drainEnding.abort() };
}

async function onlyFinished(events: readonly GatewayEvent[], requestId: string | null) {
  const ofRequest = () =>
    events.filter(
      (event): event is FinishedEvent =>
        event.kind === 'finished' && (requestId === null || event.requestId === requestId),
    );
  await waitFor(() => ofRequest().length > 0, { what: 'the finished event' });
  const [event, ...more] = ofRequest();
  if (!event || more.length > 0) throw new Error(`${more.length + 1} finished events`);
  return event;
}

/** The error of an answer, after a check that it has the shape of every error. */
export async function errorOf(response: Response): Promise<{ code: string; param: unknown }> {
  const body = (await response.json()) as { error: Record<string, unknown> };
  const { message, type, param, code } = body.error;
  const hasShape =
    Object.keys(body).length === 1 &&
    Object.keys(body.error).length === 4 &&
    typeof message === 'string' &&
    typeof type === 'string' &&
    (param === null || typeof param === 'string') &&
    typeof code === 'string' &&
    response.headers.get('content-type') === 'application/json; charset=utf-8' &&
    /^[0-9a-f-]{36}$/.test(response.headers.get('x-request-id') ?? '');
  if (!hasShape) throw new Error(`not an error's shape: ${JSON.stringify(body)}`);
  return { code: String(code), param };
}
