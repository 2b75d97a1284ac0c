import { GatewayError, modelsEndpoint } from '@gateway/protocol';
import { type LedgerEntry, waitFor } from '@gateway/testing';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { REVISION, type Reply, startReadyWorker } from './worker-harness.ts';

const worker = await startReadyWorker();
afterAll(() => worker[Symbol.asyncDispose]());

const VENDORS = [
  { provider: 'openai', model: 'gpt-5' },
  { provider: 'anthropic', model: 'claude-sonnet-4-5' },
  { provider: 'google', model: 'gemini-2.5-flash' },
] as const;
const [openai] = VENDORS;

// One success between failures keeps the breakers closed.
beforeEach(() => Promise.all(VENDORS.map((vendor) => worker.ask(vendor))));

function callsOf({ requestId }: Reply): readonly Readonly<LedgerEntry>[] {
  return worker.simulator.ledger.filter(
    ({ headers }) => headers['x-gateway-request-id'] === requestId,
  );
}

function closedCall({ requestId }: { requestId: string }, timeoutMs?: number) {
  return worker.simulator.waitFor(
    ({ headers, ended }) => headers['x-gateway-request-id'] === requestId && ended !== 'open',
    timeoutMs,
  );
}

/** The durable events, once the one of the reply is among them. */
async function expectOneEvent(reply: Reply): Promise<void> {
  await waitFor(() => worker.attemptedOf(reply.requestId).length > 0, { what: 'the event' });
  expect(worker.attemptedOf(reply.requestId)).toEqual([reply.event]);
}

function chunksOf(reply: Reply) {
  const events = reply.body.split('\n\n').filter((event) => event.startsWith('data: {'));
  return events.map((event) => JSON.parse(event.slice('data: '.length)));
}

function streamedText(reply: Reply): string {
  return chunksOf(reply)
    .map((chunk) => chunk.choices[0]?.delta?.content ?? '')
    .join('');
}

function ledgerUsage({ usage }: Readonly<LedgerEntry>) {
  return {
    inputTokens: usage?.input,
    outputTokens: usage?.output,
    cachedInputTokens: usage?.cached,
    cacheWriteInputTokens: 0,
    reasoningTokens: usage?.reasoning,
  };
}

const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
    },
  },
};

describe.each(VENDORS)('$provider', ({ provider, model }) => {
  test('answers whole, with the usage that it reported', async () => {
    const reply = await worker.ask({ provider, model, text: 'sim:cached=3 Tell me something' });
    expect(reply.error).toBeUndefined();
    expect(reply.head).toEqual({ contentType: 'application/json', provider, model });
    const entry = await closedCall(reply);
    const answer = JSON.parse(reply.body);
    expect(answer.choices[0].message.content).toBe(entry.text);
    expect(answer.choices[0].finish_reason).toBe('stop');
    expect(reply.event).toMatchObject({
      provider,
      model,
      upstreamStatus: 200,
      finishReasons: ['stop'],
      usage: ledgerUsage(entry),
      usageSource: 'provider',
    });
    await expectOneEvent(reply);
  });

  test('streams the same, a chunk for each event', async () => {
    const text = 'sim:tokens=50 Tell me something';
    const reply = await worker.ask({ provider, model, text, stream: true });
    expect(reply.error).toBeUndefined();
    expect(reply.head?.contentType).toMatch(/^text\/event-stream/);
    const entry = await closedCall(reply);
    expect(streamedText(reply)).toBe(entry.text);
    expect(reply.body.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(chunksOf(reply).length).toBeGreaterThanOrEqual(50);
    expect(reply.event).toMatchObject({ usage: ledgerUsage(entry), usageSource: 'provider' });
    expect(reply.event?.timeToFirstByteMs).toBeGreaterThan(0);
    await expectOneEvent(reply);
  });

  test('is given pieces of any size and answers the same', async () => {
    const text = 'sim:slice=5 Grüße, 世界';
    const reply = await worker.ask({ provider, model, text, stream: true });
    expect(streamedText(reply)).toBe((await closedCall(reply)).text);
  });

  test.each([false, true])('calls tools in parallel, streamed %s', async (stream) => {
    const text = 'Please call weather {"city":"Paris"} and weather {"city":"Oslo"}';
    const fields = { tools: [WEATHER] };
    const reply = await worker.ask({ provider, model, text, fields, stream });
    expect(reply.error).toBeUndefined();
    expect(reply.event?.finishReasons).toEqual(['tool_calls']);
    const calls = stream
      ? streamedCalls(reply)
      : JSON.parse(reply.body).choices[0].message.tool_calls;
    const cities = calls.map((call: { function: { arguments: string } }) =>
      JSON.parse(call.function.arguments),
    );
    expect(cities).toEqual([{ city: 'Paris' }, { city: 'Oslo' }]);
  });

  test('lists its models', async () => {
    const { value } = await worker.ingress.request(
      modelsEndpoint(provider),
      { value: { configurationRevision: REVISION } },
      { timeoutMs: 5_000 },
    );
    expect(value.models.map(({ id }) => id)).toContain(model);
  });

  test.each([
    ['sim:status=429;retry-after=2', 'provider_rate_limited', 429],
    ['sim:status=500', 'provider_unavailable', 500],
    ['sim:status=502;html', 'provider_unavailable', 502],
    ['sim:status=503', 'provider_overloaded', 503],
    ['sim:status=529', 'provider_overloaded', 529],
    ['sim:status=401', 'provider_auth_failed', 401],
    ['sim:status=403', 'provider_auth_failed', 403],
    ['sim:status=404', 'provider_model_not_found', 404],
    ['sim:status=400', 'provider_rejected', 400],
  ])('%s is %s, which costs nothing', async (text, code, status) => {
    const reply = await worker.ask({ provider, model, text, stream: true });
    expect(reply.frames).toEqual(['accepted', 'error']);
    expect(reply.error).toMatchObject({ code, facts: { provider, upstreamStatus: status } });
    expect(reply.event).toMatchObject({
      upstreamStatus: status,
      errorCode: code,
      usageSource: 'none',
      usage: { inputTokens: 0, outputTokens: 0 },
    });
    expect(callsOf(reply)).toHaveLength(1);
    await expectOneEvent(reply);
  });

  test('passes on how long to wait after a 429', async () => {
    const text = 'sim:status=429;retry-after=2 again';
    const { error } = await worker.ask({ provider, model, text });
    expect(error?.facts.retryAfterMs).toBe(2_000);
  });

  test.each([
    ['sim:hang=first-byte', { firstByteMs: 60 }, 'provider_timeout', 'first_byte_timeout'],
    ['sim:hang=headers', { firstByteMs: 60 }, 'provider_timeout', 'first_byte_timeout'],
    ['sim:cut=first-byte', {}, 'provider_unavailable', undefined],
  ])(
    '%s may have cost something and may be tried elsewhere',
    async (text, timeouts, code, reason) => {
      const reply = await worker.ask({ provider, model, text, timeouts, stream: true });
      expect(reply.frames).toEqual(['accepted', 'error']);
      expect(reply.error).toMatchObject({ code, mayFailOver: true });
      expect(reply.error?.facts.reason).toBe(reason);
      expect(reply.event).toMatchObject({ errorCode: code, usageSource: 'estimated' });
      expect(reply.event?.usage.inputTokens).toBeGreaterThan(0);
      await expectOneEvent(reply);
    },
  );

  test.each([
    ['sim:hang=mid-stream;tokens=40', { idleMs: 60 }, 'provider_timeout'],
    ['sim:cut=after:5;tokens=40;drip=2ms', {}, 'stream_interrupted'],
    ['sim:stream-error;tokens=40;drip=2ms', {}, 'provider_'],
    ['sim:malformed;tokens=40;drip=2ms', {}, 'provider_bad_response'],
  ])('%s is a prefix and an error', async (text, timeouts, code) => {
    const reply = await worker.ask({ provider, model, text, timeouts, stream: true });
    expect(reply.frames.slice(0, 3)).toEqual(['accepted', 'head', 'data']);
    expect(reply.frames.at(-1)).toBe('error');
    expect(reply.error?.code).toMatch(new RegExp(`^${code}`));
    expect(reply.body).not.toContain('[DONE]');
    const { text: whole } = await closedCall(reply);
    const seen = streamedText(reply);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.length).toBeLessThan(whole?.length ?? 0);
    expect(whole?.startsWith(seen)).toBe(true);
    expect(reply.event).toMatchObject({ errorCode: reply.error?.code, usageSource: 'estimated' });
    expect(reply.event?.usage.outputTokens).toBeGreaterThan(0);
    await expectOneEvent(reply);
  });

  test('that drips past the deadline of the request is out of time, not its caller', async () => {
    const text = 'sim:drip=20ms;tokens=2000';
    const reply = await worker.ask({ provider, model, text, stream: true, deadlineMs: 400 });
    expect(reply.error).toMatchObject({
      code: 'provider_timeout',
      facts: { reason: 'total_timeout' },
    });
    expect((await closedCall(reply, 1_000)).ended).toBe('aborted-by-client');
    await expectOneEvent(reply);
  });

  test.each(['sim:cut=after:1;tokens=40', 'sim:malformed'])(
    '%s of a whole answer is a bad response',
    async (text) => {
      const reply = await worker.ask({ provider, model, text });
      expect(reply.frames).toEqual(['accepted', 'error']);
      expect(reply.error).toMatchObject({ code: 'provider_bad_response', mayFailOver: true });
      expect(reply.event).toMatchObject({ usageSource: 'estimated' });
      await expectOneEvent(reply);
    },
  );

  test('is aborted within a second of a cancel', async () => {
    const reason = new GatewayError('client_closed', 'The client left.');
    const reply = await worker.ask({
      provider,
      model,
      text: 'sim:drip=20ms;tokens=2000',
      stream: true,
      onData: (text) => (text.includes('word') ? reason : undefined),
    });
    expect(reply.error?.code).toBe('client_closed');
    expect((await closedCall(reply, 1_000)).ended).toBe('aborted-by-client');
    expect(reply.event).toMatchObject({ errorCode: 'client_closed', usageSource: 'estimated' });
    expect(reply.event?.usage.outputTokens).toBeGreaterThan(0);
    expect(reply.event?.usage.outputTokens).toBeLessThan(2000);
    await expectOneEvent(reply);
  });

  test('without usage in its answer is estimated', async () => {
    const text = 'sim:usage=none;tokens=40';
    const reply = await worker.ask({ provider, model, text, stream: true });
    expect(reply.error).toBeUndefined();
    expect(reply.event?.usageSource).toBe('estimated');
    expect(reply.event?.usage.outputTokens).toBeGreaterThan(10);
  });
});

function streamedCalls(reply: Reply): { function: { arguments: string } }[] {
  const calls: { function: { arguments: string } }[] = [];
  for (const chunk of chunksOf(reply)) {
    for (const part of chunk.choices[0]?.delta?.tool_calls ?? []) {
      calls[part.index] ??= { function: { arguments: '' } };
      const call = calls[part.index];
      if (call !== undefined) call.function.arguments += part.function?.arguments ?? '';
    }
  }
  return calls;
}

describe('a call that no provider gets', () => {
  test.each([
    ['of a revision not seen', { revision: '00000000000000bb' }, 'unknown_target'],
    ['that is no JSON', { body: '{"model":' }, 'invalid_request'],
  ] as const)('%s fails without an event', async (_name, question, code) => {
    const before = worker.simulator.ledger.length;
    const reply = await worker.ask({ provider: 'anthropic', model: 'claude', ...question });
    expect(reply.frames).toEqual(['error']);
    expect(reply.error?.code).toBe(code);
    expect(reply.event).toBeUndefined();
    expect(worker.simulator.ledger).toHaveLength(before);
  });

  test('for want of a key says so', async () => {
    const reply = await worker.ask({ provider: 'keyless', model: 'claude' });
    expect(reply.error).toMatchObject({
      code: 'provider_auth_failed',
      message: 'No API key is configured for provider keyless.',
    });
    expect(reply.event).toBeUndefined();
  });
});

describe('what the cache is given', () => {
  let keys = 0;
  const cache = () => ({
    key: String(++keys).padStart(64, '0'),
    ttlSeconds: 60,
  });
  /** Answers come in order, so that the cache has what came before the one that is awaited. */
  async function storedAfter(key: string) {
    const last = cache();
    await worker.ask({ ...openai, text: 'last', cache: last });
    await waitFor(() => worker.stored.has(last.key), { what: 'the last answer to be stored' });
    return worker.stored.get(key);
  }

  test.each([false, true])('is exactly what was sent, streamed %s', async (stream) => {
    const ours = cache();
    const reply = await worker.ask({ ...openai, text: 'keep this', stream, cache: ours });
    const stored = await storedAfter(ours.key);
    expect(stored?.body).toBe(reply.body);
    expect(stored?.value).toMatchObject({
      tenant: 'tenant-1',
      key: ours.key,
      ttlSeconds: 60,
      entry: { ...reply.head, usage: reply.event?.usage },
    });
  });

  test.each([
    ['of an error', 'sim:status=500', {}],
    ['that broke off', 'sim:cut=after:3;tokens=40', {}],
    ['that hung', 'sim:hang=mid-stream;tokens=40', { idleMs: 60 }],
    ['that was filtered', 'sim:finish=content_filter', {}],
  ])('is nothing %s', async (_name, text, timeouts) => {
    const ours = cache();
    await worker.ask({ ...openai, text, timeouts, stream: true, cache: ours });
    expect(await storedAfter(ours.key)).toBeUndefined();
  });

  test('is nothing where nobody asked for it', async () => {
    const before = worker.stored.size;
    await worker.ask({ ...openai, text: 'keep nothing' });
    await storedAfter('');
    expect(worker.stored.size).toBe(before + 1);
  });
});

test('the demonstration answers through the same path', async () => {
  const reply = await worker.ask({ provider: 'demo', model: 'demo', stream: true });
  expect(reply.error).toBeUndefined();
  expect(streamedText(reply)).toMatch(/^This is a demonstration/);
  expect(reply.event).toMatchObject({ provider: 'demo', usageSource: 'provider' });
  expect(reply.event?.usage.outputTokens).toBeGreaterThan(10);
});
