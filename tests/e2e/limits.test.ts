import { waitFor } from '@gateway/testing';
import { RateLimitError } from 'openai';
import { describe, expect, test } from 'vitest';
import {
  callsOf,
  createKey,
  openaiClient,
  post,
  prompt,
  requestIdOf,
  rowsOf,
} from './gateway-calls.ts';
import { gatewayKinds, useGateway } from './use-gateway.ts';

const REQUESTS = 3;
const settings = { RATE_LIMIT_REQUESTS: String(REQUESTS), RATE_LIMIT_WINDOW: '3600' };

const model = 'gpt-4o-mini';
const messages = [prompt('Am I within the limit?')];

describe.each(gatewayKinds)('limits on the $name gateway', (kind) => {
  const gateway = useGateway(kind, { settings });
  const as = (key: string) => ({ baseUrl: gateway().baseUrl, clientKey: key });
  const ask = (key: string) => post(as(key), { model, messages });

  test('admit the requests of a window and refuse the next one', async () => {
    const { id, key } = await createKey(gateway());
    for (let remaining = REQUESTS - 1; remaining >= 0; remaining -= 1) {
      const { status, headers } = await ask(key);
      expect(status).toBe(200);
      expect(headers.get('x-ratelimit-limit-requests')).toBe('3');
      expect(headers.get('x-ratelimit-remaining-requests')).toBe(String(remaining));
      expect(headers.get('x-ratelimit-reset-requests')).toMatch(/^(1h)?\d+m\d+s$/);
    }
    const refused = await ask(key);
    expect(refused.status).toBe(429);
    expect(await refused.json()).toMatchObject({
      error: { type: 'rate_limit_error', code: 'rate_limit_exceeded', param: null },
    });
    const header = (name: string) => refused.headers.get(name);
    expect(header('x-ratelimit-limit-requests')).toBe('3');
    expect(header('x-ratelimit-remaining-requests')).toBe('0');
    expect(header('x-ratelimit-reset-requests')).toMatch(/^(1h)?\d+m\d+s$/);
    const retryAfterMs = Number(header('retry-after-ms'));
    // The oldest slot of a sixtieth of the window is counted whole.
    expect(retryAfterMs).toBeGreaterThan(3_500_000);
    expect(retryAfterMs).toBeLessThanOrEqual(3_660_000);
    expect(header('retry-after')).toBe(String(Math.ceil(retryAfterMs / 1000)));

    expect(callsOf(gateway().simulator, requestIdOf(refused))).toEqual([]);
    const rows = await rowsOf(gateway(), id, REQUESTS + 1);
    expect(rows).toHaveLength(REQUESTS + 1);
    expect(rows[0]).toMatchObject({
      request_id: requestIdOf(refused),
      status: 429,
      ended: 'refused',
      error_code: 'rate_limited',
      attempts: 0,
      input_tokens: 0,
      cost_micro_usd: 0,
    });
  });

  test('reach the official client as its RateLimitError', async () => {
    const { key } = await createKey(gateway(), { limit: { requests: 1, window_seconds: 60 } });
    const client = openaiClient(as(key));
    await client.chat.completions.create({ model, messages });
    await expect(client.chat.completions.create({ model, messages })).rejects.toThrow(
      RateLimitError,
    );
  });

  test('are those of the key where it has its own', async () => {
    const { key } = await createKey(gateway(), { limit: { requests: 5, window_seconds: 60 } });
    const other = await createKey(gateway());
    for (let count = 0; count < 5; count += 1) expect((await ask(key)).status).toBe(200);
    expect((await ask(key)).status).toBe(429);
    expect((await ask(other.key)).headers.get('x-ratelimit-remaining-requests')).toBe('2');
  });

  test('hold for requests that come at once', async () => {
    const { key } = await createKey(gateway(), { limit: { requests: 7, window_seconds: 60 } });
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(key)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array(7).fill(200), ...Array(23).fill(429)]);
  });

  test('are not used up by requests that they refuse', async () => {
    const { key } = await createKey(gateway(), { limit: { requests: 1, window_seconds: 1 } });
    expect((await ask(key)).status).toBe(200);
    expect((await ask(key)).status).toBe(429);
    // Were refusals counted, this polling would keep the window full for ever.
    const asked = waitFor(async () => (await ask(key)).status === 200, {
      what: 'a request to be admitted again',
      timeoutMs: 5_000,
      intervalMs: 50,
    });
    await expect(asked).resolves.toBe(true);
  });

  test('do not count requests that are wrong', async () => {
    const { key } = await createKey(gateway());
    for (const body of ['{', '{"model":"nothing-like-it","messages":[]}']) {
      expect((await post(as(key), body)).status).toBeGreaterThanOrEqual(400);
    }
    expect((await ask(key)).headers.get('x-ratelimit-remaining-requests')).toBe('2');
  });
});
