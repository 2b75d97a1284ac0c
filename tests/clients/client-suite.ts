/** What every client must find, whatever it speaks and whoever answers. */
import { describe, expect, inject, test } from 'vitest';
import type { Client, Session, SessionOptions } from './client.ts';
import { createKey } from './limited-key.ts';
import { ProviderCalls } from './provider-calls.ts';

const MODELS = [
  { provider: 'openai', model: 'gpt-4o-mini' },
  { provider: 'anthropic', model: 'claude-sonnet-4-5' },
  { provider: 'google', model: 'gemini-2.5-flash' },
] as const;

const EMBEDDING_MODELS = [
  { provider: 'openai', model: 'text-embedding-3-small', dimensions: 1_536 },
  { provider: 'google', model: 'gemini-embedding-001', dimensions: 3_072 },
] as const;

const LIMIT_WINDOW_SECONDS = 2;

/**
 * Statuses of a provider and what the client is told. The last two make two failures each, since the
 * gateway asks once more: a fifth in a row would open the breaker of the model.
 */
const FAILURES = [
  [400, 400],
  [401, 502],
  [404, 404],
  [429, 429],
  [500, 502],
  [503, 'overloaded'],
] as const;

/**
 * Statuses of a provider that end as an answer with `x-should-retry: false`, and how often the gateway
 * calls the provider for one request of a client: once where a repetition cannot help, and twice where
 * it may. Neither counts as a failure for the breaker. A 500 does: the third request of a client
 * that asks again would make the fifth failure in a row, and the breaker would answer from then on, so
 * that the calls no longer tell how often the client asks, and what follows is refused.
 */
const CALLS_OF_ONE_REQUEST = [
  [401, 1],
  [429, 2],
] as const;

function sunnyIn(city: string): string {
  return `sunny in ${city}`;
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    (value) => {
      throw new Error(`No failure but ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}

export function describeClient(client: Client): void {
  const open = (options: Partial<SessionOptions> = {}): Session =>
    client.open({
      baseUrl: inject('baseUrl'),
      apiKey: inject('clientKey'),
      retries: false,
      ...options,
    });

  describe(client.name, () => {
    describe.each(MODELS)('with a model of $provider', ({ provider, model }) => {
      describeAnswers({ open, provider, model });
    });
    describeErrors(client, open);
    describeRetries(client, open);
    if (open().embed !== undefined) describeEmbeddings(open);
  });
}

interface Subject {
  readonly open: () => Session;
  readonly provider: string;
  readonly model: string;
}

function describeAnswers({ open, provider, model }: Subject): void {
  test('gets an answer with the usage that the provider reported', async () => {
    const calls = await ProviderCalls.from();
    const answer = await open().ask({ model, text: 'Grüße there' });
    const [call] = await calls.all();
    expect(call).toMatchObject({ vendor: provider, model, stream: false });
    expect(answer).toEqual({
      text: 'Echo: Grüße there',
      inputTokens: call?.usage?.input,
      outputTokens: call?.usage?.output,
    });
  });

  test('gets a stream in pieces', async () => {
    const calls = await ProviderCalls.from();
    const pieces: string[] = [];
    const question = { model, text: 'Stream this, please 👋🏽 sim:slice=7' };
    const answer = await open().stream(question, (text) => void pieces.push(text));
    expect(pieces.join('')).toBe('Echo: Stream this, please 👋🏽');
    expect(pieces.length).toBeGreaterThan(2);
    expect(answer.text).toBe(pieces.join(''));
    const call = await calls.ended();
    expect(call).toMatchObject({ vendor: provider, stream: true, ended: 'complete' });
    // A client that does not ask for usage is told none.
    expect([call.usage?.output, undefined]).toContain(answer.outputTokens);
  });

  test('has its tool used and gets the answer that follows', async () => {
    const calls = await ProviderCalls.from();
    const question = { model, text: 'call get_weather {"city":"Oslo"}' };
    expect(await open().useTool(question, sunnyIn)).toContain('sunny in Oslo');
    expect(await calls.all()).toHaveLength(2);
  });

  test('has its tool used in a stream', async () => {
    const question = { model, text: 'call get_weather {"city":"São Paulo"}' };
    expect(await open().streamTool(question, sunnyIn)).toContain('sunny in São Paulo');
  });

  test('gets the structure that it asks for', async () => {
    const answer = await open().structured({ model, text: 'Tell me of a city' });
    expect(answer).toEqual({ city: 'city', inhabitants: 1 });
  });

  test('shows an image', async () => {
    const answer = await open().see({ model, text: 'What is this?' });
    expect(answer.text).toBe('Echo: What is this? (images: 1)');
  });

  test('stops the provider when it leaves a stream', async () => {
    const calls = await ProviderCalls.from();
    const leaving = new AbortController();
    const question = { model, text: 'sim:tokens=40;hang=mid-stream', signal: leaving.signal };
    let text = '';
    const streaming = open().stream(question, (piece) => {
      text += piece;
      if (text.includes('word5')) leaving.abort();
    });
    await streaming.catch(() => undefined);
    expect(leaving.signal.aborted).toBe(true);
    expect(await calls.ended()).toMatchObject({ ended: 'aborted-by-client' });
  });

  test.each(['sim:cut=after:5', 'sim:stream-error', 'sim:malformed'])(
    'hears that a stream broke off: %s',
    async (directive) => {
      let text = '';
      const question = { model, text: `one two three four five six seven ${directive}` };
      const streaming = open().stream(question, (piece) => {
        text += piece;
      });
      expect(await failureOf(streaming)).toBeInstanceOf(Error);
      expect('Echo: one two three four five six seven'.startsWith(text)).toBe(true);
    },
  );
}

function describeErrors(
  client: Client,
  open: (options?: Partial<SessionOptions>) => Session,
): void {
  describe.each(MODELS)('when the provider is $provider', ({ model }) => {
    test.each(FAILURES)('hears of its status %s', async (status, said) => {
      const heard = said === 'overloaded' ? client.overloadedStatus : said;
      const ask = () => open().ask({ model, text: `sim:status=${status};retry-after=1` });
      const error = await failureOf(ask());
      expect(client.statusOf(error)).toBe(heard);
      const kind = heard === 503 || heard === 529 ? 502 : heard;
      expect(error).toBeInstanceOf(client.errors[kind]);
    });

    test('hears of a failure before the first byte of a stream', async () => {
      const question = { model, text: 'sim:status=429;retry-after=1' };
      const error = await failureOf(open().stream(question, () => undefined));
      expect(client.statusOf(error)).toBe(429);
    });
  });

  test('hears that its key is wrong', async () => {
    const stranger = open({ apiKey: 'a-key-that-nobody-made' });
    const error = await failureOf(stranger.ask({ model: 'gpt-4o-mini', text: 'Hello' }));
    expect(client.statusOf(error)).toBe(401);
    expect(error).toBeInstanceOf(client.errors[401]);
  });

  test('hears that there is no such model', async () => {
    const error = await failureOf(open().ask({ model: 'nothing-like-it', text: 'Hello' }));
    expect(client.statusOf(error)).toBe(404);
    expect(error).toBeInstanceOf(client.errors[404]);
  });
}

function describeRetries(
  client: Client,
  open: (options?: Partial<SessionOptions>) => Session,
): void {
  test.each(CALLS_OF_ONE_REQUEST)(
    'asks as often as expected when told not to ask again, after status %s',
    async (status, callsOfOne) => {
      const calls = await ProviderCalls.from();
      const session = open({ retries: true });
      await failureOf(session.ask({ model: 'gpt-4o-mini', text: `sim:status=${status}` }));
      expect(await calls.all()).toHaveLength(client.triesWhenTold * callsOfOne);
    },
  );

  test('meets the limit of its key', async () => {
    const limit = { requests: 1, window_seconds: LIMIT_WINDOW_SECONDS };
    const session = open({ apiKey: await createKey(limit), retries: true });
    const question = { model: 'gpt-4o-mini', text: 'Hello' };
    await session.ask(question);
    const second = session.ask(question);
    if (client.waitsWhenLimited) {
      expect((await second).text).toBe('Echo: Hello');
    } else {
      expect(client.statusOf(await failureOf(second))).toBe(429);
    }
  });
}

function describeEmbeddings(open: () => Session): void {
  test.each(EMBEDDING_MODELS)('gets vectors of $provider', async ({ model, dimensions }) => {
    const vectors = await open().embed?.(model, ['one', 'two', 'one']);
    expect(vectors?.map(({ length }) => length)).toEqual([dimensions, dimensions, dimensions]);
    expect(vectors?.[0]).toEqual(vectors?.[2]);
    expect(vectors?.[0]).not.toEqual(vectors?.[1]);
    expect(Math.hypot(...(vectors?.[0] ?? []))).toBeCloseTo(1, 3);
  });
}
