import {
  consumers,
  GatewayError,
  type InferenceHead,
  type InferenceRequest,
  inferenceEndpoint,
  type ModelsRequest,
  modelsEndpoint,
  newInstanceId,
  newRequestId,
} from '@gateway/protocol';
import { startTelemetry } from '@gateway/telemetry';
import { context, createContextKey } from '@opentelemetry/api';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { CallHandler, Message } from '../src/bus.ts';
import { openInProcessHub } from '../src/in-process/hub.ts';
import type { InProcessBus } from '../src/in-process/in-process-bus.ts';
import {
  attempted,
  callOptions,
  collect,
  controlEvent,
  errorOf,
  HEAD,
  inferenceRequest,
  rejection,
} from './contract/sample-messages.ts';
import { temporaryDirectory } from './in-process-fixture.ts';

const ask = { value: { configurationRevision: 'r' } };

async function openPeers(freezesValues = false) {
  const hub = await openInProcessHub({ directory: await temporaryDirectory(), freezesValues });
  onTestFinished(() => hub.close());
  const ingress = hub.connect({ service: 'ingress', instance: newInstanceId() }) as InProcessBus;
  const worker = hub.connect({ service: 'provider-worker', instance: newInstanceId() });
  return { hub, ingress, worker: worker as InProcessBus };
}

describe('the buses of one process', () => {
  test('a killed caller says nothing: the worker hears that it is gone', async () => {
    const { ingress, worker } = await openPeers();
    const endpoint = inferenceEndpoint('demo');
    const aborted = Promise.withResolvers<unknown>();
    const handler: CallHandler<InferenceRequest, InferenceHead> = async (incoming) => {
      incoming.accept();
      incoming.head(HEAD);
      await new Promise((resolve) => incoming.signal.addEventListener('abort', resolve));
      aborted.resolve(incoming.signal.reason);
      await incoming.fail(incoming.signal.reason);
    };
    await worker.serve(endpoint, handler, { concurrencyMax: 1 });
    const requestId = newRequestId();
    const value = inferenceRequest('demo', requestId);
    const call = ingress.call(endpoint, { value }, callOptions(requestId));
    const iterator = call[Symbol.asyncIterator]();
    await iterator.next();
    await iterator.next();
    ingress.close();
    expect(await aborted.promise).toMatchObject({ code: 'client_closed' });
    expect((await iterator.next()).value).toMatchObject({ error: { code: 'stream_interrupted' } });
  });

  test('a bus that is closed under its calls aborts them and stores what they spent', async () => {
    const { ingress, worker } = await openPeers();
    const endpoint = inferenceEndpoint('demo');
    const stored = Promise.withResolvers<unknown>();
    const handler: CallHandler<InferenceRequest, InferenceHead> = async (incoming) => {
      incoming.accept();
      await new Promise((resolve) => incoming.signal.addEventListener('abort', resolve));
      await incoming.fail(incoming.signal.reason, attempted(incoming.requestId));
      stored.resolve(incoming.signal.reason);
    };
    await worker.serve(endpoint, handler, { concurrencyMax: 1 });
    const requestId = newRequestId();
    const value = inferenceRequest('demo', requestId);
    const call = ingress.call(endpoint, { value }, callOptions(requestId));
    await call[Symbol.asyncIterator]().next();
    worker.close();
    expect(await stored.promise).toMatchObject({ code: 'bus_unavailable' });
    expect(errorOf(await collect(call)).code).toBe('worker_lost');
    expect(await ingress.backlog(consumers.auditWriter)).toEqual({ pending: 1, quarantined: 0 });
  });

  test('a request that waits when its bus is closed fails', async () => {
    const { ingress, worker } = await openPeers();
    const endpoint = modelsEndpoint('demo');
    await worker.respond(endpoint, () => new Promise(() => {}), { concurrencyMax: 1 });
    const request = ingress.request(endpoint, ask, { timeoutMs: 5_000 });
    ingress.close();
    expect((await rejection(request)).code).toBe('bus_unavailable');
    expect((await rejection(ingress.publish(controlEvent()))).code).toBe('audit_unavailable');
  });

  test('a responder runs in what crosses a wire of its sender, and in nothing else', async () => {
    const telemetry = await startTelemetry({ service: 'bus-test', instance: 'i', version: '0' });
    onTestFinished(() => telemetry.shutdown());
    const { ingress, worker } = await openPeers();
    const key = createContextKey('only here');
    const seen: unknown[] = [];
    const endpoint = modelsEndpoint('demo');
    const respond = async () => {
      seen.push(context.active().getValue(key));
      return { value: { models: [] } };
    };
    await worker.respond(endpoint, respond, { concurrencyMax: 1 });
    await context.with(context.active().setValue(key, 'value'), async () => {
      expect(context.active().getValue(key)).toBe('value');
      await ingress.request(endpoint, ask, { timeoutMs: 5_000 });
    });
    expect(seen).toEqual([undefined]);
  });

  test('values and bodies are handed over as they are', async () => {
    const { ingress, worker } = await openPeers();
    const endpoint = modelsEndpoint('demo');
    const answer = { models: [{ id: 'demo' }] };
    const body = Buffer.from('body');
    let received: Message<ModelsRequest> | undefined;
    const respond = async (message: Message<ModelsRequest>) => {
      received = message;
      return { value: answer };
    };
    await worker.respond(endpoint, respond, { concurrencyMax: 1 });
    const reply = await ingress.request(endpoint, { ...ask, body }, { timeoutMs: 5_000 });
    expect(received?.value).toBe(ask.value);
    expect(received?.body).toBe(body);
    expect(reply.value).toBe(answer);
  });

  test('a call hands over its request, head and event as they are', async () => {
    const { ingress, worker } = await openPeers();
    const endpoint = inferenceEndpoint('demo');
    const requestId = newRequestId();
    const value = inferenceRequest('demo', requestId);
    const event = attempted(requestId);
    let received: InferenceRequest | undefined;
    const handler: CallHandler<InferenceRequest, InferenceHead> = async (incoming) => {
      received = incoming.request;
      incoming.accept();
      incoming.head(HEAD);
      await incoming.end(event);
    };
    await worker.serve(endpoint, handler, { concurrencyMax: 1 });
    const frames = await collect(ingress.call(endpoint, { value }, callOptions(requestId)));
    expect(received).toBe(value);
    const [, head, end] = frames;
    expect(head?.type === 'head' && head.head).toBe(HEAD);
    expect(end?.type === 'end' && end.event).toBe(event);
  });

  test('who changes a value that was handed over is found where values are frozen', async () => {
    const { ingress, worker } = await openPeers(true);
    const endpoint = modelsEndpoint('demo');
    const kept = { models: [{ id: 'demo' }] };
    const respond = async ({ value }: Message<ModelsRequest>) => {
      value.configurationRevision = 'mine';
      return { value: kept };
    };
    await worker.respond(endpoint, respond, { concurrencyMax: 1 });
    const value = { configurationRevision: 'r' };
    const request = ingress.request(endpoint, { value }, { timeoutMs: 5_000 });
    expect((await rejection(request)).code).toBe('internal');
    expect(value.configurationRevision).toBe('r');
  });

  test('an error of a call keeps its detail for those who threw it', async () => {
    const { ingress, worker } = await openPeers();
    const endpoint = inferenceEndpoint('demo');
    const thrown = new GatewayError('unknown_target', 'Not mine.', { detail: 'a secret' });
    await worker.serve(endpoint, () => Promise.reject(thrown), { concurrencyMax: 1 });
    const requestId = newRequestId();
    const value = inferenceRequest('demo', requestId);
    const frames = await collect(ingress.call(endpoint, { value }, callOptions(requestId)));
    expect(errorOf(frames)).toMatchObject({ code: 'unknown_target', message: 'Not mine.' });
    expect(errorOf(frames).facts).toEqual({});
  });

  test('two that keep each other busy let timers run', async () => {
    const { ingress, worker } = await openPeers();
    const endpoint = inferenceEndpoint('demo');
    const handler: CallHandler<InferenceRequest, InferenceHead> = async (incoming) => {
      incoming.accept();
      incoming.head(HEAD);
      while (!incoming.signal.aborted) await incoming.data(Buffer.from('more'));
    };
    await worker.serve(endpoint, handler, { concurrencyMax: 1 });
    const requestId = newRequestId();
    const value = inferenceRequest('demo', requestId);
    const call = ingress.call(endpoint, { value }, callOptions(requestId));
    setTimeout(() => call.cancel(new GatewayError('client_closed', 'Enough.')), 1);
    expect(errorOf(await collect(call)).code).toBe('client_closed');
  });
});
