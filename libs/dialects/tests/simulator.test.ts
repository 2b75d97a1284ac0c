/** Exchanges with a server that reads the vendors' own dialects strictly. */
import { type Simulator, startSimulator, type VendorName } from '@gateway/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openExchange, type ProviderDialect } from '../src/index.ts';
import { type ClientAnswer, readStreamedAnswer, readWholeAnswer } from './client-answer.ts';

const VENDORS: readonly (readonly [VendorName, ProviderDialect])[] = [
  ['openai', 'chat'],
  ['anthropic', 'messages'],
  ['google', 'gemini'],
];

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.stop());

async function ask(
  vendor: VendorName,
  provider: ProviderDialect,
  stream: boolean,
  fields: object,
): Promise<ClientAnswer> {
  const usage = stream && { stream_options: { include_usage: true } };
  const request = { model: 'asked', stream, ...usage, ...fields };
  const body = new TextEncoder().encode(JSON.stringify(request));
  const model = `${vendor}-model-3`;
  const options = { client: 'chat', provider, body, model, stream, includeUsage: true } as const;
  const exchange = openExchange(options);
  const { path, headers, body: sent } = exchange.request;
  const response = await fetch(simulator.baseUrls[vendor] + path, {
    method: 'POST',
    headers: {
      ...headers,
      authorization: 'Bearer any',
      'x-api-key': 'any',
      'x-goog-api-key': 'any',
    },
    body: Buffer.from(sent),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (response.status !== 200) {
    throw exchange.error(response.status, Object.fromEntries(response.headers), bytes);
  }
  if (!stream) return readWholeAnswer(exchange.answer(bytes));
  const answer = exchange.stream();
  return readStreamedAnswer(Buffer.concat([answer.push(bytes), answer.end()]));
}

const tool = (name: string) => ({
  type: 'function',
  function: {
    name,
    description: 'd',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
});
const user = (content: unknown) => ({ role: 'user', content });

describe.each(VENDORS)('an exchange with %s', (vendor, dialect) => {
  describe.each([false, true])('streamed: %s', (stream) => {
    test('answers with text and usage', async () => {
      const answer = await ask(vendor, dialect, stream, { messages: [user('sim:tokens=3')] });
      expect(answer.texts).toEqual(['word1 word2 word3']);
      expect(answer.finishReasons).toEqual(['stop']);
      expect(answer.usage?.total_tokens).toBeGreaterThan(3);
    });

    test('is understood by the vendor as the client meant it', async () => {
      const schema = {
        type: 'object',
        properties: { a: { type: 'string' } },
        required: ['a'],
        additionalProperties: false,
      };
      const answer = await ask(vendor, dialect, stream, {
        messages: [
          { role: 'system', content: 'Be brief.' },
          user('Hello'),
          { role: 'assistant', content: 'Hi.' },
          user([
            { type: 'text', text: 'sim:show=request' },
            { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } },
          ]),
        ],
        temperature: 0.5,
        max_tokens: 1_000,
        stop: ['END'],
        response_format: { type: 'json_schema', json_schema: { name: 'n', schema } },
      });
      const understood = JSON.parse(answer.texts.join(''));
      expect(understood).toMatchObject({
        model: `${vendor}-model-3`,
        stream,
        system: 'Be brief.',
        temperature: 0.5,
        tokensMax: 1_000,
        stop: ['END'],
        jsonSchema: schema,
      });
      expect(understood.turns).toMatchObject([
        { role: 'user', text: 'Hello', images: 0 },
        { role: 'assistant', text: 'Hi.', images: 0 },
        { role: 'user', text: 'sim:show=request', images: 1 },
      ]);
    });

    test('carries parallel calls there and their results back', async () => {
      const tools = [tool('weather'), tool('time')];
      const asked = user('call weather {"city":"Paris"} and time {"city":"Rome"}');
      const first = await ask(vendor, dialect, stream, { messages: [asked], tools });
      expect(first.finishReasons).toEqual(['tool_calls']);
      expect(first.toolCalls.map(({ name, arguments: text }) => [name, JSON.parse(text)])).toEqual([
        ['weather', { city: 'Paris' }],
        ['time', { city: 'Rome' }],
      ]);
      const calls = first.toolCalls.map(({ id, name, arguments: text }) => ({
        id,
        type: 'function',
        function: { name, arguments: text },
      }));
      const results = calls.map(({ id }, index) => ({
        role: 'tool',
        tool_call_id: id,
        content: `result ${index}`,
      }));
      const history = [asked, { role: 'assistant', content: null, tool_calls: calls }];
      const messages = [...history, ...results.toReversed(), user('sim:show=request')];
      const second = await ask(vendor, dialect, stream, { messages, tools });
      const { turns } = JSON.parse(second.texts.join(''));
      const seen = turns.flatMap(({ toolResults }: { toolResults: { text: string }[] }) =>
        toolResults.map(({ text }) => text),
      );
      expect(seen.toSorted()).toEqual(['result 0', 'result 1']);
    });

    test.each<[unknown, boolean | undefined, number]>([
      ['required', undefined, 1],
      [{ type: 'function', function: { name: 'time' } }, undefined, 1],
      ['none', undefined, 0],
      ['auto', false, 1],
    ])('offers tools with the choice %j, parallel: %s', async (choice, parallel, count) => {
      const answer = await ask(vendor, dialect, stream, {
        messages: [user(choice === 'required' ? 'Hello' : 'call weather and time')],
        tools: [tool('weather'), tool('time')],
        tool_choice: choice,
        ...(parallel !== undefined && { parallel_tool_calls: parallel }),
      });
      expect(answer.toolCalls).toHaveLength(count);
    });

    test.each([
      ['length', 'length'],
      ['content_filter', 'content_filter'],
    ])('ends with the finish reason %s', async (directive, reason) => {
      const messages = [user(`sim:finish=${directive}`)];
      const { finishReasons } = await ask(vendor, dialect, stream, { messages });
      expect(finishReasons).toEqual([reason]);
    });

    test.each([
      ['sim:status=429;retry-after=2', 'provider_rate_limited', 2_000],
      ['sim:status=500', 'provider_unavailable', undefined],
      ['sim:status=503', 'provider_overloaded', undefined],
      ['sim:status=401', 'provider_auth_failed', undefined],
      ['sim:status=502;html', 'provider_unavailable', undefined],
      ['sim:malformed', 'provider_bad_response', undefined],
    ])('says %s as %s', async (directive, code, retryAfterMs) => {
      const asked = ask(vendor, dialect, stream, { messages: [user(`${directive} a b c d e f`)] });
      const facts =
        retryAfterMs === undefined ? expect.anything() : expect.objectContaining({ retryAfterMs });
      await expect(asked).rejects.toMatchObject({ code, facts });
    });
  });

  test('says the error in the middle of its stream', async () => {
    const asked = ask(vendor, dialect, true, { messages: [user('sim:stream-error a b c d')] });
    await expect(asked).rejects.toMatchObject({ code: expect.stringMatching(/^provider_/) });
  });
});
