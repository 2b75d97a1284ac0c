import { GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { DemoProvider } from './demo-provider.ts';
import type { ProviderAnswer, SendOptions } from './provider.ts';

const provider = new DemoProvider('demo');

function ask(body: unknown, options: Partial<SendOptions> = {}) {
  const request = {
    path: '/chat/completions',
    headers: {},
    body: Buffer.from(JSON.stringify(body)),
  };
  return provider.send(request, {
    requestId: 'a',
    stream: false,
    timeouts: { connectMs: 1, firstByteMs: 1, idleMs: 1, totalMs: 1 },
    signal: new AbortController().signal,
    ...options,
  });
}

const question = { model: 'demo', messages: [{ role: 'user', content: 'Who are you?' }] };

async function events(answer: ProviderAnswer) {
  const read: string[] = [];
  await answer.read((bytes) => {
    read.push(Buffer.from(bytes).toString('utf8'));
    return undefined;
  });
  return read;
}

describe('DemoProvider', () => {
  test('answers as a demonstration, with usage', async () => {
    const answer = await ask(question);
    const body = JSON.parse(Buffer.from(await answer.readAll(10_000)).toString('utf8'));
    expect(answer.status).toBe(200);
    expect(body.choices[0].message.content).toMatch(/^This is a demonstration/);
    expect(body.choices[0].message.content).toContain('“Who are you?”');
    expect(body.usage.total_tokens).toBe(body.usage.prompt_tokens + body.usage.completion_tokens);
    expect(body.usage.completion_tokens).toBeGreaterThan(10);
  });

  test('streams the same words, then usage when asked, then the end', async () => {
    const whole = await ask(question);
    const body = JSON.parse(Buffer.from(await whole.readAll(10_000)).toString('utf8'));
    const options = { stream: true, stream_options: { include_usage: true } };
    const answer = await ask({ ...question, ...options }, { stream: true });
    const read = await events(answer);
    expect(read.at(-1)).toBe('data: [DONE]\n\n');
    const chunks = read.slice(0, -1).map((text) => JSON.parse(text.slice('data: '.length)));
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    expect(text).toBe(body.choices[0].message.content);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: body.usage });
  });

  test('sends no usage that nobody asked for', async () => {
    const answer = await ask({ ...question, stream: true }, { stream: true });
    expect((await events(answer)).join('')).not.toContain('usage');
  });

  test('ends with the reason of the signal', async () => {
    const abort = new AbortController();
    const answer = await ask({ ...question, stream: true }, { stream: true, signal: abort.signal });
    const reason = new GatewayError('client_closed', 'gone');
    abort.abort(reason);
    await expect(events(answer)).rejects.toBe(reason);
  });

  test('refuses what is no chat completion', async () => {
    expect((await ask({ input: 'text' })).status).toBe(400);
  });

  test('cuts a long question in its quotation', async () => {
    const answer = await ask({
      ...question,
      messages: [{ role: 'user', content: 'x'.repeat(121) }],
    });
    const text = Buffer.from(await answer.readAll(10_000)).toString('utf8');
    expect(text).toContain(`“${'x'.repeat(120)}…”`);
  });
});
