import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Simulator, startSimulator } from '../src/index.ts';

const model = 'gpt-4o';
const dice = { type: 'function', name: 'dice', parameters: {}, strict: false } as const;

let simulator: Simulator;
let client: OpenAI;

beforeAll(async () => {
  simulator = await startSimulator();
  const baseURL = simulator.baseUrls.openai;
  client = new OpenAI({ apiKey: 'any', baseURL, maxRetries: 0, logLevel: 'off' });
});
afterAll(() => simulator.stop());

describe('responses', () => {
  test('echo the last text, whole and as a stream', async () => {
    const input = 'Grüße an alle';
    const whole = await client.responses.create({ model, input });
    expect(whole.output_text).toBe('Echo: Grüße an alle');
    expect(whole.status).toBe('completed');
    const stream = client.responses.stream({ model, input });
    const streamed = await stream.finalResponse();
    expect(streamed.output_text).toBe('Echo: Grüße an alle');
    expect(streamed.usage?.output_tokens).toBe(whole.usage?.output_tokens);
  });

  test('say that they were cut short', async () => {
    const cut = await client.responses.create({ model, input: 'a b c d', max_output_tokens: 2 });
    expect(cut.status).toBe('incomplete');
    expect(cut.incomplete_details?.reason).toBe('max_output_tokens');
  });

  test('call functions and go on from what was stored', async () => {
    const asked = await client.responses.create({
      model,
      input: 'call dice and dice',
      tools: [dice],
    });
    const calls = asked.output.filter((item) => item.type === 'function_call');
    expect(calls.map(({ name }) => name)).toEqual(['dice', 'dice']);
    const results = calls.map(({ call_id }, index) => ({
      type: 'function_call_output' as const,
      call_id,
      output: `${index + 3}`,
    }));
    const answered = await client.responses.create({
      model,
      previous_response_id: asked.id,
      input: results,
      tools: [dice],
    });
    expect(answered.output_text).toBe('Tool result: 3 | 4');
    const lacking = client.responses.create({
      model,
      previous_response_id: asked.id,
      input: results.slice(1),
    });
    await expect(lacking).rejects.toThrow(OpenAI.BadRequestError);
  });

  test('are kept until they are deleted', async () => {
    const { id } = await client.responses.create({ model, input: 'Keep this' });
    expect((await client.responses.retrieve(id)).output_text).toBe('Echo: Keep this');
    const { data: items } = await client.responses.inputItems.list(id);
    expect(items).toMatchObject([{ role: 'user', content: 'Keep this' }]);
    await client.responses.delete(id);
    await expect(client.responses.retrieve(id)).rejects.toThrow(OpenAI.NotFoundError);
    const passing = await client.responses.create({ model, input: 'Do not', store: false });
    await expect(client.responses.retrieve(passing.id)).rejects.toThrow(OpenAI.NotFoundError);
  });

  test('break off with an error event when asked to', async () => {
    const stream = await client.responses.create({
      model,
      input: 'one two three sim:stream-error',
      stream: true,
    });
    const read = async () => {
      let text = '';
      for await (const event of stream) {
        if (event.type === 'response.output_text.delta') text += event.delta;
      }
      return text;
    };
    await expect(read()).rejects.toThrow(OpenAI.APIError);
  });
});
