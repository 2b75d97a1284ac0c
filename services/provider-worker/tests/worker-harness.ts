/** A worker on a bus of its own, and the ingress, cache and audit-writer around it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, connectNatsBus, openInProcessHub, provisionNats } from '@gateway/bus';
import {
  type AttemptedEvent,
  buckets,
  type Configuration,
  cacheStoreEndpoint,
  configuration,
  consumers,
  DEFAULT_TIMEOUTS,
  type GatewayError,
  type InferenceHead,
  type InferenceRequest,
  inferenceEndpoint,
  newInstanceId,
  newRequestId,
  type ProviderDefinition,
  type ServiceName,
  type StoreMessage,
  type Timeouts,
} from '@gateway/protocol';
import { type Environment, HealthChecks } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { startNats, startSimulator, waitFor } from '@gateway/testing';
import { readSettings, startProviderWorker } from '../src/index.ts';

export const REVISION = '00000000000000aa';

const PROVIDERS: readonly ProviderDefinition[] = [
  { name: 'openai', kind: 'openai' },
  { name: 'anthropic', kind: 'anthropic' },
  { name: 'google', kind: 'google' },
  { name: 'demo', kind: 'demo' },
  { name: 'keyless', kind: 'anthropic', credential: { environment: 'NO_SUCH_KEY' } },
];

export interface Question {
  readonly provider: string;
  readonly model: string;
  readonly text?: string;
  /** More fields of the client's body. */
  readonly fields?: object;
  readonly body?: string;
  readonly stream?: boolean;
  readonly dialect?: InferenceRequest['dialect'];
  readonly operation?: InferenceRequest['operation'];
  readonly arrayStream?: boolean;
  readonly stateKey?: string;
  readonly timeouts?: Partial<Timeouts>;
  /** From now to the deadline of the request. */
  readonly deadlineMs?: number;
  readonly revision?: string;
  readonly cache?: InferenceRequest['cache'];
  /** Called for each piece of data; what it returns cancels the call. */
  readonly onData?: (text: string) => GatewayError | undefined;
}

/** What the ingress gets for one call. */
export interface Reply {
  readonly requestId: string;
  readonly frames: readonly string[];
  readonly head: InferenceHead | undefined;
  readonly body: string;
  readonly error: GatewayError | undefined;
  readonly event: AttemptedEvent | undefined;
}

export interface WorkerHarness extends AsyncDisposable {
  readonly simulator: Awaited<ReturnType<typeof startSimulator>>;
  readonly ingress: Bus;
  readonly health: HealthChecks;
  /** What the cache was given, by the request's cache key. */
  readonly stored: ReadonlyMap<string, { readonly value: StoreMessage; readonly body: string }>;
  /** The durable `attempted` events of a request, all services' together. */
  attemptedOf(requestId: string): readonly AttemptedEvent[];
  ask(question: Question): Promise<Reply>;
  publish(value: Configuration): Promise<void>;
  stopWorker(): Promise<void>;
  /** Says that the time to drain is nearly over. */
  endDrain(): void;
}

export function configurationOf(
  revision: string,
  providers: readonly ProviderDefinition[],
): Configuration {
  return configuration.parse({
    schema: 1,
    revision,
    providers,
    models: [],
    timeouts: DEFAULT_TIMEOUTS,
    cache: { enabled: false, ttlSeconds: 60 },
  });
}

export type BusKind = 'in-process' | 'nats';

interface Network extends AsyncDisposable {
  connect(service: ServiceName): Promise<Bus>;
}

async function openInProcess(): Promise<Network> {
  const directory = await mkdtemp(join(tmpdir(), 'provider-worker-'));
  const hub = await openInProcessHub({ directory, durability: 'process', freezesValues: true });
  return {
    connect: async (service) => hub.connect({ service, instance: newInstanceId() }),
    async [Symbol.asyncDispose]() {
      await hub.close();
      await rm(directory, { recursive: true });
    },
  };
}

async function openNats(): Promise<Network> {
  const server = await startNats();
  await provisionNats({ url: server.url });
  const buses: Bus[] = [];
  return {
    async connect(service) {
      const identity = { service, instance: newInstanceId() };
      const bus = await connectNatsBus({ url: server.url, identity });
      buses.push(bus);
      return bus;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(buses.map((bus) => bus[Symbol.asyncDispose]()));
      await server[Symbol.asyncDispose]();
    },
  };
}

export async function startWorkerHarness(
  environment: Environment = {},
  kind: BusKind = 'in-process',
): Promise<WorkerHarness> {
  const network = kind === 'nats' ? await openNats() : await openInProcess();
  const ingress = await network.connect('ingress');
  const cache = await network.connect('cache');
  const auditWriter = await network.connect('audit-writer');
  const simulator = await startSimulator();
  const events: AttemptedEvent[] = [];
  const take = async (batch: readonly { value: unknown; acknowledge(): void }[]) => {
    for (const delivery of batch) {
      const event = delivery.value as AttemptedEvent;
      if (event.kind === 'attempted') events.push(event);
      delivery.acknowledge();
    }
  };
  await auditWriter.consume(consumers.auditWriter, take, { batchMax: 100, lingerMs: 5 });
  const stored = new Map<string, { value: StoreMessage; body: string }>();
  await cache.receive(
    cacheStoreEndpoint,
    async ({ value, body }) => {
      stored.set(value.key, { value, body: Buffer.from(body ?? []).toString('utf8') });
    },
    { concurrencyMax: 8 },
  );

  const health = new HealthChecks();
  health.markStarted();
  const stop = new AbortController();
  const drainEnding = new AbortController();
  const worker = await startProviderWorker(
    readSettings({
      OPENAI_API_KEY: 'key-of-openai',
      OPENAI_BASE_URL: simulator.baseUrls.openai,
      ANTHROPIC_API_KEY: 'key-of-anthropic',
      ANTHROPIC_BASE_URL: simulator.baseUrls.anthropic,
      GOOGLE_AI_API_KEY: 'key-of-google',
      GOOGLE_AI_BASE_URL: simulator.baseUrls.google,
      ...environment,
    }),
    {
      bus: await network.connect('provider-worker'),
      logger: createLogger('provider-worker', { level: 'silent' }),
      health,
      signal: stop.signal,
      drainEnding: drainEnding.signal,
    },
  );
  const stopWorker = async () => {
    stop.abort();
    await worker[Symbol.asyncDispose]();
  };
  const bucket = await ingress.bucket(buckets.configuration);
  return {
    simulator,
    ingress,
    health,
    stored,
    attemptedOf: (requestId) => events.filter((event) => event.requestId === requestId),
    ask: (question) => ask(ingress, question),
    async publish(value) {
      await bucket.put(value.revision, value);
    },
    stopWorker,
    endDrain: () => drainEnding.abort(),
    async [Symbol.asyncDispose]() {
      await stopWorker();
      await simulator[Symbol.asyncDispose]();
      await network[Symbol.asyncDispose]();
    },
  };
}

/** A harness that has its configuration and is ready. */
export async function startReadyWorker(
  environment: Environment = {},
  kind: BusKind = 'in-process',
): Promise<WorkerHarness> {
  const harness = await startWorkerHarness(environment, kind);
  await harness.publish(configurationOf(REVISION, PROVIDERS));
  await waitFor(() => harness.health.readiness().isReady, { what: 'the worker to be ready' });
  return harness;
}

function requestOf(question: Question): InferenceRequest {
  const { provider, model, stream = false, timeouts, revision = REVISION, cache } = question;
  const { dialect = 'chat', operation, arrayStream, stateKey } = question;
  return {
    requestId: newRequestId(),
    tenant: 'tenant-1',
    dialect,
    operation,
    arrayStream,
    ...(stateKey !== undefined && { stateKey }),
    model,
    target: { provider, model },
    configurationRevision: revision,
    stream,
    includeUsage: false,
    timeouts: { ...DEFAULT_TIMEOUTS, ...timeouts },
    ...(cache !== undefined && { cache }),
  };
}

function bodyOf({ body, model, text = 'Hello', stream = false, fields }: Question): Uint8Array {
  const messages = [{ role: 'user', content: text }];
  return Buffer.from(body ?? JSON.stringify({ model, messages, stream, ...fields }));
}

export async function ask(ingress: Bus, question: Question): Promise<Reply> {
  const value = requestOf(question);
  const { requestId } = value;
  const call = ingress.call(
    inferenceEndpoint(question.provider),
    { value, body: bodyOf(question) },
    { requestId, attempt: 1, deadlineAt: Date.now() + (question.deadlineMs ?? 20_000) },
  );
  const frames: string[] = [];
  let head: InferenceHead | undefined;
  let error: GatewayError | undefined;
  let event: AttemptedEvent | undefined;
  const pieces: Uint8Array[] = [];
  for await (const frame of call) {
    frames.push(frame.type);
    if (frame.type === 'head') head = frame.head;
    if (frame.type === 'end') event = frame.event;
    if (frame.type === 'error') ({ error, event } = frame);
    if (frame.type === 'data') {
      pieces.push(Buffer.from(frame.bytes));
      const reason = question.onData?.(Buffer.from(frame.bytes).toString('utf8'));
      if (reason !== undefined) call.cancel(reason);
    }
  }
  return { requestId, frames, head, body: Buffer.concat(pieces).toString('utf8'), error, event };
}
