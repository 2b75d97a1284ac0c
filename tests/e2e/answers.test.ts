import OpenAI, { type APIError } from 'openai';
import { describe, expect, test } from 'vitest';
import { callsOf, echoOf, MODELS, openaiClient, prompt } from './gateway-calls.ts';
import { gatewayKinds, useGateway } from './use-gateway.ts';

type Message = OpenAI.ChatCompletionMessageParam;

const PIXEL =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const weather: OpenAI.ChatCompletionTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The weather of a city',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
    },
  },
};
const time: OpenAI.ChatCompletionTool = {
  type: 'function',
  function: { name: 'get_time', parameters: { type: 'object', properties: {} } },
};

describe.each(gatewayKinds)('the official client on the $name gateway', (kind) => {
  const gateway = useGateway(kind);

  describe.each(MODELS)('with a model of $provider', ({ provider, model }) => {
    const complete = (
      body: Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, 'model'>,
      client = openaiClient(gateway()),
    ) => client.chat.completions.create({ model, ...body });

    test('gets an answer with the usage that the provider reported', async () => {
      const question = prompt('Hello there');
      const { data, response, request_id } = await complete({
        messages: [question],
      }).withResponse();
      expect(data.choices[0]?.message).toMatchObject({
        role: 'assistant',
        content: echoOf(question),
      });
      expect(data).toMatchObject({ object: 'chat.completion', model });
      expect(data.choices[0]?.finish_reason).toBe('stop');
      const [call] = callsOf(gateway().simulator, request_id ?? '');
      expect(data.usage).toMatchObject({
        prompt_tokens: call?.usage?.input,
        completion_tokens: call?.usage?.output,
      });
      expect(call).toMatchObject({ vendor: provider, ended: 'complete' });
      expect(response.headers.get('x-gateway-provider')).toBe(provider);
      expect(response.headers.get('x-gateway-model')).toBe(model);
      expect(response.headers.get('x-gateway-attempts')).toBe('1');
    });

    test('gets a stream, with usage at its end when it asks', async () => {
      const question = prompt('Stream this, please sim:cached=5;reasoning=3');
      const { data, request_id } = await openaiClient(gateway())
        .chat.completions.create({
          model,
          messages: [question],
          stream: true,
          stream_options: { include_usage: true },
        })
        .withResponse();
      const chunks = await Array.fromAsync(data);
      const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
      expect(text).toBe('Echo: canary-prompt-5f1c Stream this, please');
      expect(chunks.flatMap(({ choices }) => choices[0]?.finish_reason ?? [])).toEqual(['stop']);
      const [call] = callsOf(gateway().simulator, request_id ?? '');
      expect(chunks.at(-1)).toMatchObject({
        choices: [],
        usage: { prompt_tokens: call?.usage?.input, completion_tokens: call?.usage?.output },
      });
      expect(call?.usage?.cached).toBe(5);
      expect(chunks.at(-1)?.usage?.prompt_tokens_details?.cached_tokens).toBe(5);
    });

    test('gets no usage in a stream that did not ask for it', async () => {
      const stream = await openaiClient(gateway()).chat.completions.create({
        model,
        messages: [prompt('Stream without usage')],
        stream: true,
      });
      const chunks = await Array.fromAsync(stream);
      expect(chunks.length).toBeGreaterThan(3);
      expect(chunks.filter(({ usage }) => usage)).toEqual([]);
      expect(chunks.every(({ choices }) => choices.length === 1)).toBe(true);
    });

    test('calls a tool and gets the answer that follows from its result', async () => {
      const tools = [weather];
      const messages: Message[] = [prompt('call get_weather {"city":"Paris"}')];
      const asked = await complete({ messages, tools });
      const [choice] = asked.choices;
      expect(choice?.finish_reason).toBe('tool_calls');
      const [call] = choice?.message.tool_calls ?? [];
      if (choice === undefined || call?.type !== 'function') throw new Error('no tool was called');
      expect(call.function.name).toBe('get_weather');
      expect(JSON.parse(call.function.arguments)).toEqual({ city: 'Paris' });
      messages.push(choice.message, {
        role: 'tool',
        tool_call_id: call.id,
        content: 'sunny, 24 degrees',
      });
      const answered = await complete({ messages, tools });
      expect(answered.choices[0]?.message.content).toContain('sunny, 24 degrees');
      expect(answered.choices[0]?.finish_reason).toBe('stop');
    });

    test('calls several tools at once in a stream', async () => {
      const tools = [weather, time];
      const text =
        'call get_weather {"city":"Oslo"} and get_time {} and get_weather {"city":"Rome"}';
      const messages: Message[] = [prompt(text)];
      const client = openaiClient(gateway());
      const stream = client.chat.completions.stream({ model, messages, tools });
      const { choices } = await stream.finalChatCompletion();
      const { tool_calls = [] } = choices[0]?.message ?? {};
      const calls = tool_calls.filter((call) => call.type === 'function');
      expect(choices[0]?.finish_reason).toBe('tool_calls');
      expect(
        calls.map(({ function: { name, arguments: text } }) => [name, JSON.parse(text)]),
      ).toEqual([
        ['get_weather', { city: 'Oslo' }],
        ['get_time', {}],
        ['get_weather', { city: 'Rome' }],
      ]);
      expect(new Set(calls.map(({ id }) => id)).size).toBe(3);
      messages.push(choices[0]?.message as Message);
      for (const { id } of calls) {
        messages.push({ role: 'tool', tool_call_id: id, content: `result of ${id}` });
      }
      const answered = await complete({ messages, tools });
      for (const { id } of calls) {
        expect(answered.choices[0]?.message.content).toContain(`result of ${id}`);
      }
    });

    test('sends an image', async () => {
      const answer = await complete({
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: prompt('What is this?').content },
              { type: 'image_url', image_url: { url: PIXEL } },
            ],
          },
        ],
      });
      expect(answer.choices[0]?.message.content).toContain('(images: 1)');
    });

    test('gets JSON of the schema that it asked for', async () => {
      const schema = {
        type: 'object',
        properties: { city: { type: 'string' }, inhabitants: { type: 'integer' } },
        required: ['city', 'inhabitants'],
        additionalProperties: false,
      };
      const answer = await complete({
        messages: [prompt('Tell me of a city')],
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'city', schema, strict: true },
        },
      });
      expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toEqual({
        city: 'city',
        inhabitants: 1,
      });
    });

    test('is understood with a system prompt and several turns', async () => {
      const answer = await complete({
        messages: [
          { role: 'system', content: 'You are terse.' },
          prompt('My name is Ada.'),
          { role: 'assistant', content: 'Hello Ada.' },
          prompt('What is my name? sim:show=request'),
        ],
        temperature: 0.5,
        stop: ['END'],
      });
      const seen = JSON.parse(answer.choices[0]?.message.content ?? '');
      expect(seen).toMatchObject({ model, system: 'You are terse.', temperature: 0.5 });
      expect(seen.stop).toEqual(['END']);
      expect(seen.turns.map(({ role }: { role: string }) => role)).toEqual([
        'user',
        'assistant',
        'user',
      ]);
      expect(seen.turns[1].text).toBe('Hello Ada.');
    });

    test('hears why an answer stopped', async () => {
      const cut = await complete({ messages: [prompt('sim:tokens=50')], max_tokens: 7 });
      expect(cut.choices[0]?.finish_reason).toBe('length');
      expect(cut.usage?.completion_tokens).toBe(7);
      const filtered = await complete({ messages: [prompt('sim:finish=content_filter')] });
      expect(filtered.choices[0]?.finish_reason).toBe('content_filter');
    });

    test('gets the errors of the provider as its own classes', async () => {
      const failing = (directives: string) => complete({ messages: [prompt(`sim:${directives}`)] });
      await expect(failing('status=400')).rejects.toThrow(OpenAI.BadRequestError);
      await expect(failing('status=404')).rejects.toThrow(OpenAI.NotFoundError);
      const limited = await failing('status=429;retry-after=2').catch((error: unknown) => error);
      expect(limited).toBeInstanceOf(OpenAI.RateLimitError);
      expect((limited as APIError).headers?.get('retry-after')).toBe('2');
      for (const status of [500, 503]) {
        const failed = await failing(`status=${status}`).catch((error: unknown) => error);
        expect(failed).toBeInstanceOf(OpenAI.InternalServerError);
        expect((failed as APIError).headers?.get('x-should-retry')).toBe('false');
      }
      // What a provider says of our own credential is no concern of the client's credential.
      await expect(failing('status=401')).rejects.toThrow(OpenAI.InternalServerError);
    });
  });

  test('does not try again what the gateway has tried', async () => {
    const client = openaiClient(gateway(), { maxRetries: 2 });
    const failure = await client.chat.completions
      .create({ model: 'gpt-4o-mini', messages: [prompt('sim:status=500')] })
      .catch((error: unknown) => error);
    const requestId = (failure as APIError).requestID ?? '';
    // The gateway has repeated it once.
    expect(callsOf(gateway().simulator, requestId)).toHaveLength(2);
  });

  test('hears of a wrong key and of an unknown model in its own classes', async () => {
    const messages = [prompt('Hello')];
    const stranger = openaiClient(gateway(), { apiKey: 'a-key-that-nobody-made' });
    await expect(
      stranger.chat.completions.create({ model: 'gpt-4o-mini', messages }),
    ).rejects.toThrow(OpenAI.AuthenticationError);
    await expect(
      openaiClient(gateway()).chat.completions.create({ model: 'nothing-like-it', messages }),
    ).rejects.toThrow(OpenAI.NotFoundError);
  });

  test('lists the models of all providers', async () => {
    const models = await Array.fromAsync(openaiClient(gateway()).models.list());
    const ids = models.map(({ id }) => id);
    expect(ids).toContain('demo');
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.length).toBeGreaterThan(3);
  });
});
