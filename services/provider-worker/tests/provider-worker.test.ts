import { waitFor } from '@gateway/testing';
import { expect, onTestFinished, test } from 'vitest';
import {
  configurationOf,
  REVISION,
  startReadyWorker,
  startWorkerHarness,
} from './worker-harness.ts';

const demo = { name: 'demo', kind: 'demo' } as const;

test('is not ready before a configuration, and ready with one', async () => {
  const worker = await startWorkerHarness();
  onTestFinished(() => worker[Symbol.asyncDispose]());
  expect(worker.health.readiness().failing.configuration).toBe('no configuration was published');
  await worker.publish(configurationOf(REVISION, [demo]));
  await waitFor(() => worker.health.readiness().isReady, { what: 'the worker to be ready' });
  expect((await worker.ask({ provider: 'demo', model: 'demo' })).error).toBeUndefined();
});

test('serves a provider as soon as a configuration has it, and the older revision too', async () => {
  const worker = await startWorkerHarness();
  onTestFinished(() => worker[Symbol.asyncDispose]());
  await worker.publish(configurationOf(REVISION, [demo]));
  await waitFor(() => worker.health.readiness().isReady, { what: 'the worker to be ready' });
  const early = await worker.ask({ provider: 'second', model: 'demo' });
  expect(early.error?.code).toBe('no_responders');

  const revision = '00000000000000bb';
  await worker.publish(configurationOf(revision, [demo, { name: 'second', kind: 'demo' }]));
  const second = { provider: 'second', model: 'demo', revision };
  await waitFor(async () => (await worker.ask(second)).error === undefined, {
    what: 'the new provider to be served',
  });
  const older = await worker.ask({ provider: 'demo', model: 'demo', revision: REVISION });
  expect(older.error).toBeUndefined();
});

test('serves only the providers that it is told to', async () => {
  const worker = await startReadyWorker({ WORKER_PROVIDERS: 'openai' });
  onTestFinished(() => worker[Symbol.asyncDispose]());
  expect((await worker.ask({ provider: 'openai', model: 'gpt-5' })).error).toBeUndefined();
  const other = await worker.ask({ provider: 'demo', model: 'demo' });
  expect(other.error?.code).toBe('no_responders');
});

test('finishes what runs when it drains, and takes nothing new', async () => {
  const worker = await startReadyWorker();
  onTestFinished(() => worker[Symbol.asyncDispose]());
  const streaming = Promise.withResolvers<void>();
  const running = worker.ask({
    provider: 'openai',
    model: 'gpt-5',
    text: 'sim:drip=5ms;tokens=150',
    stream: true,
    onData: () => {
      streaming.resolve();
      return undefined;
    },
  });
  await streaming.promise;
  const stopped = worker.stopWorker();
  const refused = await waitFor(
    async () => (await worker.ask({ provider: 'demo', model: 'demo' })).error,
    { what: 'the worker to take no more calls' },
  );
  expect(refused.mayFailOver).toBe(true);
  const reply = await running;
  expect(reply.error).toBeUndefined();
  expect(reply.body.endsWith('data: [DONE]\n\n')).toBe(true);
  await stopped;
});

test('cancels what still runs when the time to drain is nearly over, and records it', async () => {
  const worker = await startReadyWorker();
  onTestFinished(() => worker[Symbol.asyncDispose]());
  const streaming = Promise.withResolvers<void>();
  const running = worker.ask({
    provider: 'openai',
    model: 'gpt-5',
    text: 'sim:drip=20ms;tokens=2000',
    stream: true,
    onData: () => {
      streaming.resolve();
      return undefined;
    },
  });
  await streaming.promise;
  const stopped = worker.stopWorker();
  worker.endDrain();
  const reply = await running;
  expect(reply.error?.code).toBe('shutting_down');
  expect(reply.event).toMatchObject({ errorCode: 'shutting_down', usageSource: 'estimated' });
  await stopped;
  await waitFor(() => worker.attemptedOf(reply.requestId).length > 0, { what: 'the event' });
  const [call] = worker.simulator.ledger;
  expect(call?.ended).toBe('aborted-by-client');
});
