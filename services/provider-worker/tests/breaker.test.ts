import { waitFor } from '@gateway/testing';
import { expect, onTestFinished, test } from 'vitest';
import { FAILURES_MAX } from '../src/breaker.ts';
import { startReadyWorker } from './worker-harness.ts';

const openai = { provider: 'openai', model: 'gpt-5' };

test('a model that fails again and again is refused without a call, until it answers', async () => {
  const worker = await startReadyWorker();
  onTestFinished(() => worker[Symbol.asyncDispose]());
  for (let count = 0; count < FAILURES_MAX; count++) {
    const reply = await worker.ask({ ...openai, text: 'sim:status=500' });
    expect(reply.error?.facts.upstreamStatus).toBe(500);
  }
  const refused = await worker.ask({ ...openai, text: 'Hello' });
  expect(refused.frames).toEqual(['error']);
  expect(refused.event).toBeUndefined();
  expect(refused.error).toMatchObject({
    code: 'provider_unavailable',
    facts: { provider: 'openai', reason: 'circuit_open', retryAfterMs: expect.any(Number) },
  });
  expect(worker.simulator.ledger).toHaveLength(FAILURES_MAX);
  expect((await worker.ask({ ...openai, model: 'gpt-4o' })).error).toBeUndefined();
  expect((await worker.ask({ provider: 'demo', model: 'demo' })).error).toBeUndefined();

  const answered = await waitFor(
    async () => {
      const reply = await worker.ask({ ...openai, text: 'Hello' });
      return reply.error === undefined && reply;
    },
    { what: 'the trial' },
  );
  expect(answered.event?.upstreamStatus).toBe(200);
  expect((await worker.ask(openai)).error).toBeUndefined();
});

test('a provider that refuses requests is asked every time', async () => {
  const worker = await startReadyWorker();
  onTestFinished(() => worker[Symbol.asyncDispose]());
  for (const status of [400, 401, 404, 429, 429, 403, 429]) {
    const reply = await worker.ask({ ...openai, text: `sim:status=${status}` });
    expect(reply.error?.facts).toMatchObject({ upstreamStatus: status });
  }
});
