import { waitFor } from '@gateway/testing';
import { afterAll, describe, expect, test } from 'vitest';
import { type Question, type Reply, startReadyWorker } from './worker-harness.ts';

const worker = await startReadyWorker();
afterAll(() => worker[Symbol.asyncDispose]());

async function ask(question: Omit<Question, 'body'>, body: object): Promise<Reply> {
  const reply = await worker.ask({ ...question, body: JSON.stringify(body) });
  await waitFor(() => worker.attemptedOf(reply.requestId).length > 0, { what: 'the event' });
  expect(worker.attemptedOf(reply.requestId)).toEqual([reply.event]);
  return reply;
}

function callsOf({ requestId }: Reply) {
  const isOwn = (headers: object) => Object.values(headers).includes(requestId);
  return worker.simulator.ledger.filter(({ headers }) => isOwn(headers));
}

const GOOGLE = { provider: 'google', model: 'gemini-embedding-001' };
const OPENAI = { provider: 'openai', model: 'text-embedding-3-small' };
const ANTHROPIC = { provider: 'anthropic', model: 'claude-sonnet-4-5' };
const EMBEDDINGS = { model: 'asked', input: ['Hello', 'there'], dimensions: 4 };
const MESSAGE = { model: 'asked', messages: [{ role: 'user', content: 'Hello' }] };
const CONTENTS = { contents: [{ role: 'user', parts: [{ text: 'Hello' }] }] };
const NOTHING_SPENT = { inputTokens: 0, outputTokens: 0 };

describe('embeddings', () => {
  test.each([OPENAI, GOOGLE])(
    'come from $provider, with the tokens that it counted',
    async (of) => {
      const reply = await ask(
        { ...of, operation: 'embed' },
        { ...EMBEDDINGS, encoding_format: 'base64' },
      );
      expect(reply.error).toBeUndefined();
      const { data, usage } = JSON.parse(reply.body);
      expect(data.map(({ embedding }: { embedding: string }) => embedding)).toEqual(
        data.map(() => expect.stringMatching(/^[\w+/]{22}==$/)),
      );
      const [call] = callsOf(reply);
      expect(usage.prompt_tokens).toBe(call?.usage?.input);
      expect(reply.event).toMatchObject({
        usage: { inputTokens: call?.usage?.input, outputTokens: 0 },
        usageSource: 'provider',
        upstreamStatus: 200,
      });
    },
  );

  test.each([OPENAI, GOOGLE])('reach a client of Google from $provider', async (of) => {
    const request = { content: { parts: [{ text: 'Hello' }] }, outputDimensionality: 4 };
    const question = { ...of, dialect: 'gemini', operation: 'embed' } as const;
    const one = await ask(question, request);
    expect(JSON.parse(one.body).embedding.values).toHaveLength(4);
    const batch = await ask(question, { requests: [request, request] });
    expect(JSON.parse(batch.body).embeddings).toHaveLength(2);
  });

  test('are refused before any call by a model that has none', async () => {
    const body = JSON.stringify(EMBEDDINGS);
    const reply = await worker.ask({ ...ANTHROPIC, operation: 'embed', body });
    expect(reply.error).toMatchObject({ code: 'invalid_request', facts: { param: 'model' } });
    expect(reply.event).toBeUndefined();
    expect(callsOf(reply)).toHaveLength(0);
  });

  test('are stored where the client asks for it', async () => {
    const cache = { key: 'e'.repeat(64), ttlSeconds: 60 };
    const reply = await ask({ ...OPENAI, operation: 'embed', cache }, EMBEDDINGS);
    await waitFor(() => worker.stored.has(cache.key), { what: 'the stored answer' });
    expect(worker.stored.get(cache.key)?.body).toBe(reply.body);
  });
});

describe('a count of tokens', () => {
  test.each([
    [ANTHROPIC, 'messages', MESSAGE, 'input_tokens'],
    [GOOGLE, 'messages', MESSAGE, 'input_tokens'],
    [ANTHROPIC, 'gemini', CONTENTS, 'totalTokens'],
    [GOOGLE, 'gemini', CONTENTS, 'totalTokens'],
  ] as const)(
    'is made by %j for a client of %s, and costs nothing',
    async (of, dialect, body, field) => {
      const reply = await ask({ ...of, dialect, operation: 'count-tokens' }, body);
      expect(reply.error).toBeUndefined();
      expect(JSON.parse(reply.body)[field]).toBeGreaterThan(0);
      expect(callsOf(reply)).toHaveLength(1);
      expect(reply.event).toMatchObject({ usage: NOTHING_SPENT, usageSource: 'provider' });
    },
  );

  test('is an estimate without any call where nobody counts', async () => {
    const question = { ...OPENAI, dialect: 'messages', operation: 'count-tokens' } as const;
    const reply = await ask(question, MESSAGE);
    expect(JSON.parse(reply.body)).toEqual({ input_tokens: expect.any(Number) });
    expect(callsOf(reply)).toHaveLength(0);
    expect(reply.event).toMatchObject({ usage: NOTHING_SPENT, usageSource: 'none' });
    expect(reply.event).not.toHaveProperty('upstreamStatus');
  });
});

describe('a client of Google', () => {
  const MODELS = [
    { provider: 'openai', model: 'gpt-5' },
    ANTHROPIC,
    { provider: 'google', model: 'gemini-2.5-flash' },
  ];

  test.each(MODELS)('is answered by $provider, whole and as either kind of stream', async (of) => {
    const question = { ...of, dialect: 'gemini' } as const;
    const textIn = (answers: { candidates: { content: { parts: { text: string }[] } }[] }[]) =>
      answers.flatMap(
        ({ candidates }) => candidates[0]?.content.parts.map(({ text }) => text) ?? [],
      );
    const whole = await ask(question, CONTENTS);
    expect(textIn([JSON.parse(whole.body)]).join('')).toBe('Echo: Hello');
    const events = await ask({ ...question, stream: true }, CONTENTS);
    expect(events.head?.contentType).toBe('text/event-stream');
    const pieces = events.body.split('\r\n\r\n').filter((event) => event !== '');
    expect(textIn(pieces.map((event) => JSON.parse(event.slice('data: '.length)))).join('')).toBe(
      'Echo: Hello',
    );
    const array = await ask({ ...question, stream: true, arrayStream: true }, CONTENTS);
    expect(array.head?.contentType).toBe('application/json');
    expect(textIn(JSON.parse(array.body)).join('')).toBe('Echo: Hello');
    const [call] = callsOf(array);
    expect(array.event?.usage).toMatchObject({
      inputTokens: call?.usage?.input,
      outputTokens: call?.usage?.output,
    });
  });
});
