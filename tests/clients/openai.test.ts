import OpenAI from 'openai';
import OpenAI6 from 'openai-6';
import { describe, expect, inject, test } from 'vitest';
import { WEATHER, WEATHER_PARAMETERS } from './client.ts';
import { describeClient } from './client-suite.ts';
import { openaiChat } from './openai-chat.ts';
import { type OpenaiModule, openaiSession } from './openai-client.ts';
import { openaiResponses } from './openai-responses.ts';

// Used alike, though their types are not one.
const previous = OpenAI6 as unknown as OpenaiModule;

describeClient(openaiChat('openai 7, chat completions', OpenAI));
describeClient(openaiChat('openai 6, chat completions', previous));
describeClient(openaiResponses('openai 7, responses', OpenAI));
describeClient(openaiResponses('openai 6, responses', previous));

describe.each([
  { name: 'openai 7', module: OpenAI },
  { name: 'openai 6', module: previous },
])('$name', ({ module }) => {
  const open = () =>
    openaiSession(module, {
      baseUrl: inject('baseUrl'),
      apiKey: inject('clientKey'),
      retries: false,
    });

  test.each(['gpt-4o-mini', 'claude-sonnet-4-5', 'gemini-2.5-flash'])(
    'runs the tools that %s calls at once in a stream',
    async (model) => {
      const weather = {
        type: 'function' as const,
        function: {
          ...WEATHER,
          parameters: WEATHER_PARAMETERS,
          parse: JSON.parse,
          function: async ({ city }: { city: string }) => `sunny in ${city}`,
        },
      };
      const content = 'call get_weather {"city":"Oslo"} and get_weather {"city":"Rome"}';
      const messages = [{ role: 'user' as const, content }];
      const runner = open().chat.completions.runTools({
        model,
        messages,
        tools: [weather],
        stream: true,
      });
      expect(await runner.finalContent()).toBe('Tool result: sunny in Oslo | sunny in Rome');
    },
  );

  test('gets usage at the end of a stream when it asks', async () => {
    const stream = await open().chat.completions.create({
      model: 'claude-sonnet-4-5',
      messages: [{ role: 'user', content: 'Hello' }],
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await Array.fromAsync(stream);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { completion_tokens: 2 } });
  });

  test('gets the same vectors as numbers and as base64', async () => {
    const body = { model: 'text-embedding-3-small', input: 'one' };
    const numbers = await open().embeddings.create({ ...body, encoding_format: 'float' });
    const decoded = await open().embeddings.create(body);
    const [expected = []] = numbers.data.map(({ embedding }) => embedding);
    decoded.data[0]?.embedding.forEach((value, index) => {
      expect(value).toBeCloseTo(expected[index] ?? Number.NaN, 6);
    });
    expect(decoded.data[0]?.embedding).toHaveLength(expected.length);
  });

  test('lists models and gets one', async () => {
    const models = await Array.fromAsync(open().models.list());
    expect(models.map(({ id }) => id)).toContain('demo');
    expect((await open().models.retrieve('demo')).id).toBe('demo');
    await expect(open().models.retrieve('no/such')).rejects.toThrow(module.NotFoundError);
  });

  test('goes on from a response that OpenAI keeps', async () => {
    const { responses } = open();
    const model = 'gpt-4o-mini';
    const first = await responses.create({ model, input: 'My name is Ada' });
    const input = 'What is my name? sim:show=request';
    const next = await responses.create({ model, input, previous_response_id: first.id });
    const seen = JSON.parse(next.output_text);
    expect(seen.turns.map(({ text }: { text: string }) => text)).toEqual([
      'My name is Ada',
      'Echo: My name is Ada',
      input,
    ]);
    expect((await responses.retrieve(first.id)).output_text).toBe('Echo: My name is Ada');
    const items = await Array.fromAsync(responses.inputItems.list(first.id));
    expect(items).toHaveLength(1);
    await responses.delete(first.id);
    await expect(responses.retrieve(first.id)).rejects.toThrow(module.NotFoundError);
  });

  test('hears that nobody keeps the response that it goes on from', async () => {
    const going = open().responses.create({
      model: 'claude-sonnet-4-5',
      input: 'Hello',
      previous_response_id: 'resp_0123456789abcdef',
    });
    const error = await going.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(module.APIError);
    expect(error).toMatchObject({ param: 'previous_response_id' });
  });
});
