/** An ingress on a real nats-server that goes away, comes back, or hangs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNatsBus, provisionNats } from '@gateway/bus';
import {
  consumers,
  type FinishedEvent,
  type GatewayEvent,
  inferenceEndpoint,
  newInstanceId,
  type ServiceName,
} from '@gateway/protocol';
import { HealthChecks } from '@gateway/runtime';
import { createLogger } from '@gateway/telemetry';
import { type RunningServer, startNats, waitFor } from '@gateway/testing';
import { expect, onTestFinished, test } from 'vitest';
import { readSettings } from '../src/config.ts';
import { startIngress } from '../src/ingress.ts';
import { answering, CLIENT_KEY, chat, errorOf, type WorkerHandler } from './ingress-harness.ts';

/** Less than any of the waits that a request has, none of which there is while NATS is known to be away. */
const REFUSED_WITHIN_MS = 900;
/** The same while it hangs and nobody knows. */
const REFUSED_WITHIN_MS_WHEN_HUNG = 2_000;

interface Gateway {
  readonly nats: RunningServer;
  readonly health: HealthChecks;
  readonly events: readonly GatewayEvent[];
  /** Of the model `demo`. */
  post(stream?: boolean): Promise<Response>;
  finished(response: Response): Promise<FinishedEvent>;
}

async function startGateway(worker: WorkerHandler): Promise<Gateway> {
  const resources = new AsyncDisposableStack();
  onTestFinished(() => resources.disposeAsync());
  const nats = await startNats();
  resources.defer(() => nats.stop());
  await provisionNats({ url: nats.url });
  const directory = await mkdtemp(join(tmpdir(), 'ingress-nats-'));
  resources.defer(() => rm(directory, { recursive: true }));
  const connect = async (service: ServiceName) =>
    resources.use(
      await connectNatsBus({
        url: nats.url,
        identity: { service, instance: newInstanceId() },
        spool: { directory, bytesMax: 1024 * 1024 },
      }),
    );
  const events: GatewayEvent[] = [];
  const auditWriter = await connect('audit-writer');
  const batch = { batchMax: 100, lingerMs: 1 };
  await auditWriter.consume(
    consumers.auditWriter,
    async (deliveries) => {
      for (const delivery of deliveries) {
        events.push(delivery.value as GatewayEvent);
        delivery.acknowledge();
      }
    },
    batch,
  );
  const workerBus = await connect('provider-worker');
  await workerBus.serve(inferenceEndpoint('demo'), worker, { concurrencyMax: 8 });
  const health = new HealthChecks();
  const never = new AbortController().signal;
  const bus = await connect('ingress');
  const ingress = await startIngress(
    readSettings({
      GATEWAY_PORT: '0',
      GATEWAY_KEY_PEPPER: 'pepper-of-the-tests',
      GATEWAY_API_KEY: CLIENT_KEY,
      GATEWAY_LAME_DUCK_SECONDS: '0',
    }),
    {
      name: 'ingress',
      version: '0.0.0',
      instance: bus.identity.instance,
      logger: createLogger('ingress', { level: 'silent' }),
      ...{ health, signal: never, drainEnding: never, bus },
    },
  );
  resources.use(ingress);
  return {
    nats,
    health,
    events,
    post: (stream = false) =>
      fetch(`http://${ingress.host}:${ingress.port}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${CLIENT_KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify(chat({ model: 'demo', stream })),
      }),
    finished: async (response) => {
      const id = response.headers.get('x-request-id');
      const isIt = (event: GatewayEvent): event is FinishedEvent =>
        event.kind === 'finished' && event.requestId === id;
      await waitFor(() => events.some(isIt), { what: 'the finished event' });
      return events.find(isIt) as FinishedEvent;
    },
  };
}

/** Tries until the gateway answers. */
async function answers(gateway: Gateway): Promise<void> {
  const isAnswered = async () => (await gateway.post()).status === 200;
  await waitFor(isAnswered, { what: 'an answer', timeoutMs: 5_000 });
}

test('without NATS every request is refused at once and has its row when NATS is back', async () => {
  const gateway = await startGateway(answering);
  expect((await gateway.post()).status).toBe(200);
  await gateway.nats.kill();
  await waitFor(() => gateway.health.readiness().failing.bus, { what: 'the outage to be known' });
  const refusals: Response[] = [];
  for (const _ of Array(5)) {
    const startedAt = performance.now();
    const refusal = await gateway.post();
    expect(performance.now() - startedAt).toBeLessThan(REFUSED_WITHIN_MS);
    expect(refusal.status).toBe(503);
    expect(refusal.headers.get('retry-after')).toBe('1');
    expect(refusal.headers.get('x-should-retry')).toBeNull();
    expect(await errorOf(refusal)).toMatchObject({ code: 'bus_unavailable' });
    refusals.push(refusal);
  }
  await gateway.nats.restart();
  await answers(gateway);
  for (const refusal of refusals) {
    expect(await gateway.finished(refusal)).toMatchObject({
      status: 503,
      ended: 'refused',
      errorCode: 'bus_unavailable',
      attempts: 0,
    });
  }
});

test('while NATS hangs a request is refused in time, and its call is never made', async () => {
  const calls: string[] = [];
  const gateway = await startGateway(async (call) => {
    calls.push(call.requestId);
    await answering(call);
  });
  gateway.nats.pause();
  const startedAt = performance.now();
  const refusal = await gateway.post();
  expect(performance.now() - startedAt).toBeLessThan(REFUSED_WITHIN_MS_WHEN_HUNG);
  expect(refusal.status).toBe(503);
  expect(await errorOf(refusal)).toMatchObject({ code: 'audit_unavailable' });
  gateway.nats.resume();
  await answers(gateway);
  expect(calls).not.toContain(refusal.headers.get('x-request-id'));
});

test('a stream that NATS is lost under ends with an error, and what it cost is estimated', async () => {
  const gateway = await startGateway(async (call) => {
    call.accept();
    const { provider, model } = call.request.target;
    call.head({ contentType: 'text/event-stream', provider, model });
    await call.data(Buffer.from('data: {"choices":[{"delta":{"content":"12345678"}}]}\n\n'));
    await new Promise<void>((resolve) => call.signal.addEventListener('abort', () => resolve()));
  });
  const response = await gateway.post(true);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader?.read())?.value).toContain('12345678');
  await gateway.nats.kill();
  expect((await reader?.read())?.value).toContain('stream_interrupted');
  await expect(reader?.read()).rejects.toBeInstanceOf(TypeError);
  await gateway.nats.restart();
  expect(await gateway.finished(response)).toMatchObject({ ended: 'interrupted', attempts: 1 });
  const { requestId } = await gateway.finished(response);
  expect(gateway.events).toContainEqual(
    expect.objectContaining({
      ...{ kind: 'attempted', requestId, assumed: true, usageSource: 'estimated' },
      usage: expect.objectContaining({ outputTokens: 2 }),
    }),
  );
});
