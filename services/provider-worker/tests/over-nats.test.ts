import { GatewayError } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { afterAll, expect, test } from 'vitest';
import { startReadyWorker } from './worker-harness.ts';

const worker = await startReadyWorker({}, 'nats');
afterAll(() => worker[Symbol.asyncDispose]());

const question = { provider: 'anthropic', model: 'claude-sonnet-4-5' };

test('streams an answer and leaves one event', async () => {
  const text = 'sim:tokens=200';
  const reply = await worker.ask({ ...question, text, stream: true });
  expect(reply.error).toBeUndefined();
  expect(reply.body).toContain('word200');
  expect(reply.body.endsWith('data: [DONE]\n\n')).toBe(true);
  expect(reply.event).toMatchObject({ usageSource: 'provider', usage: { outputTokens: 200 } });
  await waitFor(() => worker.attemptedOf(reply.requestId).length > 0, { what: 'the event' });
  expect(worker.attemptedOf(reply.requestId)).toEqual([reply.event]);
});

test('takes a request larger than a message', async () => {
  const text = `sim:tokens=3 ${'long '.repeat(400_000)}`;
  const reply = await worker.ask({ ...question, text });
  expect(reply.error).toBeUndefined();
  expect(reply.event?.usage.inputTokens).toBeGreaterThan(400_000);
});

test('sends an answer larger than a message', async () => {
  const text = `Echo this: ${'long '.repeat(400_000)}`;
  const reply = await worker.ask({ provider: 'openai', model: 'gpt-5', text });
  expect(reply.error).toBeUndefined();
  expect(reply.body.length).toBeGreaterThan(1_999_000);
});

test('says what the provider said, and that it cost nothing', async () => {
  const reply = await worker.ask({ ...question, text: 'sim:status=429;retry-after=2' });
  expect(reply.error).toMatchObject({
    code: 'provider_rate_limited',
    facts: { provider: 'anthropic', upstreamStatus: 429, retryAfterMs: 2_000 },
  });
  expect(reply.event).toMatchObject({ usageSource: 'none', errorCode: 'provider_rate_limited' });
});

test('ends the provider call within a second of a cancel', async () => {
  const reply = await worker.ask({
    ...question,
    text: 'sim:drip=20ms;tokens=2000',
    stream: true,
    onData: (text) =>
      text.includes('word') ? new GatewayError('client_closed', 'The client left.') : undefined,
  });
  expect(reply.error?.code).toBe('client_closed');
  const entry = await worker.simulator.waitFor(
    ({ headers, ended }) => headers['x-gateway-request-id'] === reply.requestId && ended !== 'open',
    1_000,
  );
  expect(entry.ended).toBe('aborted-by-client');
  expect(reply.event).toMatchObject({ errorCode: 'client_closed', usageSource: 'estimated' });
});
