import Anthropic from '@anthropic-ai/sdk';
import Anthropic0 from '@anthropic-ai/sdk-0';
import { describe, expect, inject, test } from 'vitest';
import { type AnthropicModule, anthropic, anthropicSession } from './anthropic.ts';
import { WEATHER, WEATHER_PARAMETERS } from './client.ts';
import { describeClient } from './client-suite.ts';

// Used alike, though their types are not one.
const current = Anthropic as unknown as AnthropicModule;

describeClient(anthropic('@anthropic-ai/sdk 1', current));
describeClient(anthropic('@anthropic-ai/sdk 0', Anthropic0));

describe.each([
  { name: '@anthropic-ai/sdk 1', module: current },
  { name: '@anthropic-ai/sdk 0', module: Anthropic0 },
])('$name', ({ module }) => {
  const open = () =>
    anthropicSession(module, {
      baseUrl: inject('baseUrl'),
      apiKey: inject('clientKey'),
      retries: false,
    });

  test.each(['claude-sonnet-4-5', 'gemini-2.5-flash'])('counts the tokens of %s', async (model) => {
    const messages = [{ role: 'user' as const, content: 'How long is this?' }];
    const counted = await open().messages.countTokens({ model, messages });
    const answered = await open().messages.create({ model, messages, max_tokens: 100 });
    expect(counted.input_tokens).toBe(answered.usage.input_tokens);
  });

  test.each(['gpt-4o-mini', 'claude-sonnet-4-5', 'gemini-2.5-flash'])(
    'runs the tools that %s calls at once',
    async (model) => {
      const weather = {
        type: 'custom' as const,
        ...WEATHER,
        input_schema: WEATHER_PARAMETERS,
        parse: (input: unknown) => input as { city: string },
        run: async ({ city }: { city: string }) => `sunny in ${city}`,
      };
      const content = 'call get_weather {"city":"Oslo"} and get_weather {"city":"Rome"}';
      const body = {
        model,
        messages: [{ role: 'user' as const, content }],
        max_tokens: 100,
        tools: [weather],
        // The current major would leave the conversation with Anthropic.
        ...(module === current && { thread: false }),
      };
      const answer = await open().beta.messages.toolRunner(body);
      expect(answer.content).toMatchObject([
        { type: 'text', text: 'Tool result: sunny in Oslo | sunny in Rome' },
      ]);
    },
  );

  test('is told that another vendor keeps no thread', async () => {
    const body = {
      model: 'gpt-4o-mini',
      messages: [{ role: 'user' as const, content: 'Hello' }],
      max_tokens: 100,
      thread: { type: 'create' },
    };
    const asked = open().messages.create(body as Parameters<Anthropic0['messages']['create']>[0]);
    const error = await asked.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(module.BadRequestError);
    expect((error as Error).message).toContain("'thread'");
  });

  test('is told the type of an error', async () => {
    const messages = [{ role: 'user' as const, content: 'sim:status=503' }];
    const error = await open()
      .messages.create({ model: 'claude-sonnet-4-5', messages, max_tokens: 100 })
      .catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ error: { type: 'error', error: { type: 'overloaded_error' } } });
  });

  test('lists models', async () => {
    const { data } = await open().models.list();
    expect(data.map(({ id }) => id)).toContain('demo');
  });
});
