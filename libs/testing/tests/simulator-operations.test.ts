import { afterAll, expect, test } from 'vitest';
import { startSimulator } from '../src/index.ts';

const simulator = await startSimulator();
afterAll(() => simulator.stop());

async function ask(url: string, body: object): Promise<{ status: number; value: unknown }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-api-key': 'a-key',
      'x-goog-api-key': 'g-key',
      'anthropic-version': '2023-06-01',
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, value: await response.json() };
}

function google(method: string, body: object) {
  return ask(`${simulator.baseUrls.google}/v1beta/models/gemini-embedding-001:${method}`, body);
}

const text = (value: string) => ({ parts: [{ text: value }] });

test('Google embeds one content or a batch, and wants the model in each request of it', async () => {
  const one = await google('embedContent', { content: text('Hello'), outputDimensionality: 4 });
  expect(one).toMatchObject({
    status: 200,
    value: { embedding: { values: [0, 0, 0, 0].map(() => expect.any(Number)) } },
  });
  const model = 'models/gemini-embedding-001';
  const request = { model, content: text('Hello'), outputDimensionality: 4 };
  const batch = await google('batchEmbedContents', { requests: [request, request] });
  expect(batch.value).toMatchObject({ usageMetadata: { promptTokenCount: 4 } });
  expect(batch.value).toHaveProperty('embeddings.length', 2);
  const unnamed = await google('batchEmbedContents', { requests: [{ content: text('Hello') }] });
  expect(unnamed.status).toBe(400);
});

test('Google counts contents and whole requests alike', async () => {
  const contents = [{ role: 'user', ...text('Hello') }];
  const bare = await google('countTokens', { contents });
  expect(bare).toMatchObject({ status: 200, value: { totalTokens: expect.any(Number) } });
  const whole = { generateContentRequest: { model: 'models/gemini-embedding-001', contents } };
  expect(await google('countTokens', whole)).toEqual(bare);
  expect((await google('countTokens', { generateContentRequest: { contents } })).status).toBe(400);
});

test('Anthropic counts a message, and takes nothing that is about the answer', async () => {
  const url = `${simulator.baseUrls.anthropic}/v1/messages/count_tokens`;
  const message = { model: 'claude-x', messages: [{ role: 'user', content: 'Hello' }] };
  expect(await ask(url, message)).toMatchObject({
    status: 200,
    value: { input_tokens: expect.any(Number) },
  });
  expect((await ask(url, { ...message, max_tokens: 5 })).status).toBe(400);
  expect((await ask(url, { model: 'claude-x', messages: [] })).status).toBe(400);
});
