import { DEFAULT_TIMEOUTS, GatewayError } from '@gateway/protocol';
import { startSimulator, type VendorName } from '@gateway/testing';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { openProvider } from '../src/index.ts';
import { PieceReader } from './upstream-harness.ts';

const KEY = 'the-only-key-that-is-taken';
const VENDORS = ['openai', 'anthropic', 'google'] as const;

const simulator = await startSimulator({
  keys: { openai: [KEY], anthropic: [KEY], google: [KEY] },
});
afterAll(() => simulator[Symbol.asyncDispose]());

const signal = new AbortController().signal;

function open(kind: VendorName, credential = KEY) {
  const baseUrl = simulator.baseUrls[kind];
  const provider = openProvider({ name: kind, kind }, { baseUrl, credential, connectionsMax: 4 });
  onTestFinished(() => provider[Symbol.asyncDispose]());
  return provider;
}

const messages = [{ role: 'user', content: 'sim:drip=20ms;tokens=1000' }];

const REQUESTS: Record<VendorName, { path: string; body: object }> = {
  openai: { path: '/chat/completions', body: { model: 'gpt-5', stream: true, messages } },
  anthropic: {
    path: '/v1/messages',
    body: { model: 'claude-sonnet-4-5', max_tokens: 2000, stream: true, messages },
  },
  google: {
    path: '/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse',
    body: { contents: [{ role: 'user', parts: [{ text: 'sim:drip=20ms;tokens=1000' }] }] },
  },
};

function requestOf(kind: VendorName) {
  const { path, body } = REQUESTS[kind];
  const headers = { 'content-type': 'application/json' };
  return { path, headers, body: Buffer.from(JSON.stringify(body)) };
}

describe.each(VENDORS)('%s', (kind) => {
  test('takes the credential for what it lists', async () => {
    const models = await open(kind).listModels(signal);
    expect(models.length).toBeGreaterThan(1);
    expect(models[0]?.id).toMatch(/^(gpt|claude|gemini)-/);
  });

  test('answers 401 or 400 to another credential', async () => {
    const answer = await open(kind, 'another-key').send(requestOf(kind), {
      requestId: 'request-1',
      stream: true,
      timeouts: DEFAULT_TIMEOUTS,
      signal,
    });
    expect([400, 401]).toContain(answer.status);
    expect((await answer.readStart(1000)).length).toBeGreaterThan(0);
  });

  test('sees an aborted call end within a second', async () => {
    const abort = new AbortController();
    const answer = await open(kind).send(requestOf(kind), {
      requestId: `aborted-${kind}`,
      stream: true,
      timeouts: DEFAULT_TIMEOUTS,
      signal: abort.signal,
    });
    const reader = new PieceReader(answer);
    await reader.next();
    abort.abort(new GatewayError('client_closed', 'The client left.'));
    const entry = await simulator.waitFor(
      ({ headers, ended }) =>
        headers['x-gateway-request-id'] === `aborted-${kind}` && ended !== 'open',
      1_000,
    );
    expect(entry.ended).toBe('aborted-by-client');
    await expect(reader.next()).rejects.toThrow('The client left.');
  });
});
