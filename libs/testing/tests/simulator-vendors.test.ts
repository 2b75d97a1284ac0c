import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../src/index.ts';

let simulator: Simulator;

beforeAll(async () => {
  simulator = await startSimulator({ keys: { anthropic: ['a-key'], google: ['g-key'] } });
});
afterAll(() => simulator.stop());

function post(url: string, headers: Record<string, string>, body: unknown): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

function messages(body: object, headers: Record<string, string> = {}): Promise<Response> {
  return post(
    `${simulator.baseUrls.anthropic}/v1/messages`,
    { 'x-api-key': 'a-key', 'anthropic-version': '2023-06-01', ...headers },
    { model: 'claude-sonnet-4-5', max_tokens: 1000, ...body },
  );
}

function contents(method: string, body: object, key = 'g-key'): Promise<Response> {
  const url = `${simulator.baseUrls.google}/v1beta/models/gemini-2.5-flash:${method}`;
  return post(url, { 'x-goog-api-key': key }, body);
}

const userTurn = (text: string) => [{ role: 'user', content: text }];
const userContent = (text: string) => [{ role: 'user', parts: [{ text }] }];

/** The payloads of an event stream, after a check that each name is its payload's type. */
function namedPayloads(stream: string): { type: string; [name: string]: unknown }[] {
  return stream
    .split('\n\n')
    .filter(Boolean)
    .map((event) => {
      const [, name, data] = /^event: (\S+)\ndata: (.*)$/.exec(event) ?? [];
      const payload = JSON.parse(data ?? '');
      expect(payload.type).toBe(name);
      return payload;
    });
}

describe('Anthropic', () => {
  const tools = [
    { name: 'weather', input_schema: { type: 'object', properties: { city: { type: 'string' } } } },
    { name: 'dice', input_schema: { type: 'object' } },
  ];

  test('answers a message with usage that counts cached input apart', async () => {
    const response = await messages({ messages: userTurn('Hello sim:cached=3') });
    const body = (await response.json()) as Record<string, unknown>;
    expect(body).toMatchObject({
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content: [{ type: 'text', text: 'Echo: Hello' }],
      stop_reason: 'end_turn',
      usage: { cache_read_input_tokens: 3, output_tokens: 2 },
    });
    const entry = simulator.ledger.at(-1);
    const { input_tokens: fresh } = body.usage as Record<string, number>;
    expect(entry?.usage).toEqual({ input: (fresh ?? 0) + 3, output: 2, cached: 3, reasoning: 0 });
  });

  test('streams tool calls as blocks and quotes their results', async () => {
    const turns: object[] = userTurn('call weather and dice');
    const streamed = await messages({ messages: turns, tools, stream: true });
    const payloads = namedPayloads(await streamed.text());
    const types = payloads.map(({ type }) => type);
    expect([types[0], types[1], types[2], ...types.slice(-2)]).toEqual([
      'message_start',
      'content_block_start',
      'ping',
      'message_delta',
      'message_stop',
    ]);
    const starts = payloads.filter(({ type }) => type === 'content_block_start');
    const blocks = starts.map((start) => start.content_block as { id: string; name: string });
    expect(blocks.map(({ name }) => name)).toEqual(['weather', 'dice']);
    const pieces = payloads
      .filter(({ type, index }) => type === 'content_block_delta' && index === 0)
      .map(({ delta }) => (delta as { partial_json: string }).partial_json);
    expect(JSON.parse(pieces.join(''))).toEqual({ city: 'city' });
    expect(payloads.at(-2)).toMatchObject({ delta: { stop_reason: 'tool_use' } });

    const uses = blocks.map(({ id, name }) => ({ type: 'tool_use', id, name, input: {} }));
    const results = blocks.map(({ id, name }) => ({
      type: 'tool_result',
      tool_use_id: id,
      content: `of ${name}`,
    }));
    turns.push({ role: 'assistant', content: uses }, { role: 'user', content: results });
    const answered = await messages({ messages: turns, tools });
    expect(await answered.json()).toMatchObject({
      content: [{ text: 'Tool result: of weather | of dice' }],
    });

    turns.pop();
    turns.push({ role: 'user', content: results.slice(1) });
    const refused = await messages({ messages: turns, tools });
    expect(refused.status).toBe(400);
  });

  test.each([
    { name: 'no max_tokens', body: { max_tokens: undefined }, headers: {}, status: 400 },
    { name: 'no version', body: {}, headers: { 'anthropic-version': undefined }, status: 400 },
    { name: 'a wrong key', body: {}, headers: { 'x-api-key': 'other' }, status: 401 },
  ])('refuses a request with $name', async ({ body, headers, status }) => {
    const all = { 'x-api-key': 'a-key', 'anthropic-version': '2023-06-01', ...headers };
    const sent = Object.entries(all).filter(([, value]) => value !== undefined);
    const response = await post(
      `${simulator.baseUrls.anthropic}/v1/messages`,
      Object.fromEntries(sent) as Record<string, string>,
      { model: 'claude-sonnet-4-5', max_tokens: 10, messages: userTurn('Hi'), ...body },
    );
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ type: 'error', error: {} });
  });

  test('is overloaded before and within a stream when asked', async () => {
    const before = await messages({ messages: userTurn('sim:status=529'), stream: true });
    expect(before.status).toBe(529);
    expect(before.headers.get('x-should-retry')).toBe('true');
    expect(await before.json()).toMatchObject({ error: { type: 'overloaded_error' } });
    const within = await messages({ messages: userTurn('sim:stream-error'), stream: true });
    const payloads = namedPayloads(await within.text());
    expect(payloads.at(-1)).toMatchObject({ type: 'error', error: { type: 'overloaded_error' } });
  });

  test('lists models', async () => {
    const response = await fetch(`${simulator.baseUrls.anthropic}/v1/models`, {
      headers: { 'x-api-key': 'a-key', 'anthropic-version': '2023-06-01' },
    });
    expect(await response.json()).toMatchObject({ data: [{ type: 'model' }, {}, {}] });
  });
});

describe('Google', () => {
  const tools = [{ functionDeclarations: [{ name: 'dice', parameters: { type: 'OBJECT' } }] }];

  test('streams events that end with CRLF and counts thoughts apart', async () => {
    const response = await contents('streamGenerateContent?alt=sse', {
      contents: userContent('Hello you sim:reasoning=7'),
      systemInstruction: { parts: [{ text: 'Be short.' }] },
    });
    const text = await response.text();
    expect(text.replaceAll('\r\n\r\n', '')).not.toMatch(/[\r\n]/);
    const payloads = text
      .split('\r\n\r\n')
      .filter(Boolean)
      .map((event) => JSON.parse(event.replace('data: ', '')));
    const said = payloads.map(({ candidates }) => candidates[0].content.parts?.[0]?.text ?? '');
    expect(said.join('')).toBe('Echo: Hello you');
    expect(payloads.at(-1)).toMatchObject({
      candidates: [{ finishReason: 'STOP' }],
      usageMetadata: { candidatesTokenCount: 3, thoughtsTokenCount: 7 },
    });
    expect(payloads[0].candidates[0]).not.toHaveProperty('finishReason');
  });

  test('calls functions and quotes their responses', async () => {
    const turns: object[] = userContent('call dice and dice');
    const response = await contents('generateContent', { contents: turns, tools });
    const body = (await response.json()) as { candidates: { content: { parts: object[] } }[] };
    const content = body.candidates[0]?.content;
    expect(content?.parts).toEqual([
      { functionCall: { name: 'dice', args: {} }, thoughtSignature: expect.any(String) },
      { functionCall: { name: 'dice', args: {} } },
    ]);
    const answer = (result: string) => ({
      functionResponse: { name: 'dice', response: { result } },
    });
    turns.push(content as object, { role: 'user', parts: [answer('4'), answer('2')] });
    const second = await contents('generateContent', { contents: turns, tools });
    expect(await second.json()).toMatchObject({
      candidates: [{ content: { parts: [{ text: 'Tool result: 4 | 2' }] } }],
    });
    turns.pop();
    turns.push({ role: 'user', parts: [answer('4')] });
    expect((await contents('generateContent', { contents: turns, tools })).status).toBe(400);
  });

  test('answers a schema, whose type names are in capitals, with a value of it', async () => {
    const response = await contents('generateContent', {
      contents: userContent('A number'),
      generationConfig: {
        responseMimeType: 'application/json',
        responseSchema: { type: 'OBJECT', properties: { result: { type: 'NUMBER' } } },
      },
    });
    expect(await response.json()).toMatchObject({
      candidates: [{ content: { parts: [{ text: '{"result":1}' }] } }],
    });
  });

  test('tells the time to retry in the body', async () => {
    const response = await contents('generateContent', {
      contents: userContent('sim:status=429;retry-after=34'),
    });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBeNull();
    expect(await response.json()).toMatchObject({
      error: { status: 'RESOURCE_EXHAUSTED', details: [{ retryDelay: '34s' }] },
    });
  });

  test('calls a wrong key an invalid argument, as the real one does', async () => {
    const response = await contents('generateContent', { contents: userContent('Hi') }, 'other');
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { details: [{ reason: 'API_KEY_INVALID' }] },
    });
  });

  test('lists models', async () => {
    const response = await fetch(`${simulator.baseUrls.google}/v1beta/models?key=g-key`);
    expect(await response.json()).toMatchObject({
      models: [{ name: 'models/gemini-2.5-flash' }, {}],
    });
  });
});
