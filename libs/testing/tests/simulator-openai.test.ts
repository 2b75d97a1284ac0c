import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../src/index.ts';

const model = 'gpt-4o';
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
} as const;
const dice = { type: 'function', function: { name: 'dice', parameters: {} } } as const;

let simulator: Simulator;
let client: OpenAI;

beforeAll(async () => {
  simulator = await startSimulator({ keys: { openai: ['right-key'] } });
  client = clientWith('right-key');
});
afterAll(() => simulator.stop());
beforeEach(() => simulator.clear());

function clientWith(apiKey: string): OpenAI {
  return new OpenAI({ apiKey, baseURL: simulator.baseUrls.openai, maxRetries: 0, logLevel: 'off' });
}

function ask(content: string) {
  return client.chat.completions.create({ model, messages: [{ role: 'user', content }] });
}

describe('chat completions', () => {
  test('echoes the last user text with usage and a nonce when asked', async () => {
    const completion = await ask('Hello there sim:nonce=n-1;cached=2;reasoning=5');
    expect(completion.choices[0]?.message.content).toBe('Echo: Hello there [n-1]');
    expect(completion.choices[0]?.finish_reason).toBe('stop');
    const { usage } = completion;
    expect(usage?.completion_tokens).toBe(9);
    expect(usage?.completion_tokens_details?.reasoning_tokens).toBe(5);
    expect(usage?.prompt_tokens_details?.cached_tokens).toBe(2);
    expect(usage?.total_tokens).toBe((usage?.prompt_tokens ?? 0) + 9);
  });

  test('marks every piece of an answer with its call when asked', async () => {
    const completion = await ask('one two sim:mark=call');
    const [entry] = simulator.ledger;
    const call = entry?.id;
    expect(completion.choices[0]?.message.content).toBe(`Echo:~${call} one~${call} two~${call}`);
    expect(completion.id).toBe(`chatcmpl-${entry?.answerId}`);
    expect(entry?.text).toBe(`Echo:~${call} one~${call} two~${call}`);
  });

  test('the ledger tells when the answer was written and when it ended', async () => {
    await ask('Hello');
    const {
      time,
      lastWriteTime = '',
      endTime = '',
    } = await simulator.waitFor(({ ended }) => ended === 'complete');
    expect([time, lastWriteTime, endTime].toSorted()).toEqual([time, lastWriteTime, endTime]);
    expect(Date.parse(lastWriteTime)).toBeGreaterThan(0);
  });

  test('streams the same text and reports usage only when asked', async () => {
    const messages = [{ role: 'user' as const, content: 'Grüße an alle 👋🏽 sim:slice=7' }];
    const stream = await client.chat.completions.create({
      model,
      messages,
      stream: true,
      stream_options: { include_usage: true },
    });
    let text = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage;
    }
    expect(text).toBe('Echo: Grüße an alle 👋🏽');
    expect(usage?.completion_tokens).toBe(5);
    const { usage: recorded } = await simulator.waitFor(({ ended }) => ended === 'complete');
    expect(recorded?.output).toBe(5);

    simulator.clear();
    const without = await client.chat.completions.create({ model, messages, stream: true });
    for await (const chunk of without) expect(chunk.usage).toBeUndefined();
    const silent = await simulator.waitFor(({ ended }) => ended === 'complete');
    expect(silent.usage).toBeUndefined();
  });

  test.each([false, true])(
    'calls tools in parallel and quotes results, stream: %s',
    async (stream) => {
      const messages: OpenAI.ChatCompletionMessageParam[] = [
        { role: 'user', content: 'Please call weather {"city":"Oslo"} and dice and dice' },
      ];
      const run = async () => {
        const body = { model, messages, tools: [weather, dice] };
        return stream
          ? await client.chat.completions.stream(body).finalChatCompletion()
          : await client.chat.completions.create(body);
      };
      const first = (await run()).choices[0];
      expect(first?.finish_reason).toBe('tool_calls');
      const calls = first?.message.tool_calls?.filter((call) => call.type === 'function') ?? [];
      expect(calls.map((call) => call.function.name)).toEqual(['weather', 'dice', 'dice']);
      expect(calls[0]?.function.arguments).toBe('{"city":"Oslo"}');
      expect(new Set(calls.map(({ id }) => id)).size).toBe(3);

      messages.push({ role: 'assistant', tool_calls: calls });
      calls.forEach(({ id }, index) => {
        messages.push({ role: 'tool', tool_call_id: id, content: `result ${index}` });
      });
      const second = (await run()).choices[0];
      expect(second?.message.content).toBe('Tool result: result 0 | result 1 | result 2');
      expect(second?.finish_reason).toBe('stop');
    },
  );

  test('answers a JSON schema with a value of it', async () => {
    const schema = {
      type: 'object',
      properties: { name: { type: 'string' }, kind: { enum: ['b', 'a'] }, n: { type: 'integer' } },
    };
    const completion = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'A person' }],
      response_format: { type: 'json_schema', json_schema: { name: 'person', schema } },
    });
    const text = completion.choices[0]?.message.content ?? '';
    expect(JSON.parse(text)).toEqual({ name: 'name', kind: 'b', n: 1 });
  });

  test('ends with length at max_completion_tokens and not one before', async () => {
    const run = (limit: number) =>
      client.chat.completions.create({
        model,
        messages: [{ role: 'user', content: 'sim:tokens=10' }],
        max_completion_tokens: limit,
      });
    expect((await run(10)).choices[0]?.finish_reason).toBe('stop');
    const short = await run(9);
    expect(short.choices[0]?.finish_reason).toBe('length');
    expect(short.usage?.completion_tokens).toBe(9);
  });

  test('takes images and says what it understood', async () => {
    const url = 'data:image/png;base64,AAAA';
    const completion = await client.chat.completions.create({
      model,
      messages: [
        { role: 'system', content: 'Be short.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Look sim:show=request' },
            { type: 'image_url', image_url: { url } },
          ],
        },
      ],
    });
    const understood = JSON.parse(completion.choices[0]?.message.content ?? '');
    expect(understood).toMatchObject({ model, system: 'Be short.', turns: [{ images: 1 }] });
  });

  test('refuses a tool result that answers no call', async () => {
    const create = client.chat.completions.create({
      model,
      messages: [{ role: 'tool', tool_call_id: 'call_x', content: 'stray' }],
    });
    await expect(create).rejects.toMatchObject({ status: 400, type: 'invalid_request_error' });
  });
});

test('lists models and embeds text', async () => {
  const page = await client.models.list();
  expect(page.data.map(({ id }) => id)).toContain(model);
  const input = ['one', 'two', 'one'];
  const { data } = await client.embeddings.create({ model, input, dimensions: 16 });
  expect(data[0]?.embedding).toHaveLength(16);
  expect(data[0]?.embedding).toEqual(data[2]?.embedding);
  expect(data[0]?.embedding).not.toEqual(data[1]?.embedding);
});

describe('faults', () => {
  test('refuses a wrong key as OpenAI does', async () => {
    const wrong = clientWith('wrong-key').models.list();
    await expect(wrong).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
  });

  test('answers a status with retry headers', async () => {
    const error = await ask('sim:status=429;retry-after=2').catch((reason) => reason);
    expect(error).toMatchObject({ status: 429, code: 'rate_limit_exceeded' });
    expect(error.headers.get('retry-after')).toBe('2');
    expect(error.headers.get('retry-after-ms')).toBe('2000');
  });

  test('fails twice and then answers', async () => {
    const text = 'sim:status=500x2-then-ok done';
    const statuses = [];
    for (let call = 0; call < 3; call += 1) {
      statuses.push(
        await ask(text).then(
          () => 200,
          (error) => error.status,
        ),
      );
    }
    expect(statuses).toEqual([500, 500, 200]);
  });

  test('says that a directive is unknown', async () => {
    await expect(ask('sim:explode')).rejects.toMatchObject({ status: 400 });
    await expect(ask('sim:hang=never')).rejects.toMatchObject({ status: 400 });
  });

  test('cuts a stream after three events', async () => {
    const stream = await client.chat.completions.create({
      model,
      messages: [{ role: 'user', content: 'sim:tokens=50;cut=after:3' }],
      stream: true,
    });
    let chunks = 0;
    const read = (async () => {
      for await (const _ of stream) chunks += 1;
    })();
    await expect(read).rejects.toThrow();
    expect(chunks).toBe(3);
    const entry = await simulator.waitFor(({ ended }) => ended !== 'open');
    expect(entry).toMatchObject({ ended: 'cut', events: 3, status: 200, usage: undefined });
  });

  test.each(['first-byte', 'headers', 'mid-stream'])(
    'hangs at %s until the client leaves, which the ledger shows',
    async (place) => {
      const abort = new AbortController();
      const body = { model, messages: [{ role: 'user' as const, content: `sim:hang=${place}` }] };
      const settings = { signal: abort.signal };
      const call = client.chat.completions.create({ ...body, stream: true }, settings);
      const read = call.then(async (stream) => {
        for await (const _ of stream);
      });
      const ended = read.catch((error) => error);
      const reached = { 'first-byte': 0, headers: 0, 'mid-stream': 2 }[place] ?? 0;
      const isThere = place === 'first-byte' ? undefined : 200;
      const { id } = await simulator.waitFor(
        ({ model: asked, status, events }) =>
          asked === model && status === isThere && events >= reached,
      );
      abort.abort();
      await ended;
      const entry = await simulator.waitFor((other) => other.id === id && other.ended !== 'open');
      expect(entry.ended).toBe('aborted-by-client');
    },
  );

  test('sends an error and broken JSON in the middle of a stream', async () => {
    for (const fault of ['stream-error', 'malformed']) {
      const stream = await client.chat.completions.create({
        model,
        messages: [{ role: 'user', content: `some words sim:${fault}` }],
        stream: true,
      });
      const read = (async () => {
        for await (const _ of stream);
      })();
      await expect(read).rejects.toThrow();
    }
  });
});

test('records each call with the headers that tell where it comes from', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  await client.chat.completions.create(
    { model, messages: [{ role: 'user', content: 'Hi' }] },
    { headers: { traceparent, 'x-gateway-request-id': 'r-1' } },
  );
  const response = await fetch(new URL('/__simulator/ledger', simulator.baseUrls.openai));
  const [entry] = (await response.json()) as Record<string, unknown>[];
  expect(entry).toMatchObject({
    vendor: 'openai',
    path: '/v1/chat/completions',
    model,
    status: 200,
    ended: 'complete',
    text: 'Echo: Hi',
    headers: { traceparent, 'x-gateway-request-id': 'r-1' },
  });
  expect(JSON.stringify(entry)).not.toContain('right-key');
  const deleted = await fetch(new URL('/__simulator/ledger', simulator.baseUrls.openai), {
    method: 'DELETE',
  });
  expect(deleted.status).toBe(204);
  expect(simulator.ledger).toEqual([]);
});
