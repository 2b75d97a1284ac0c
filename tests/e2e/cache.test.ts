import type OpenAI from 'openai';
import { describe, expect, test } from 'vitest';
import {
  callsOf,
  createKey,
  MODELS,
  openaiClient,
  post,
  prompt,
  requestIdOf,
  rowOf,
} from './gateway-calls.ts';
import { gatewayKinds, useGateway } from './use-gateway.ts';

const model = 'gpt-4o-mini';

describe.each(gatewayKinds)('the cache of the $name gateway', (kind) => {
  const gateway = useGateway(kind);
  const outcome = (response: Response) => response.headers.get('x-gateway-cache');
  const ask = (body: object, headers: Record<string, string> = {}) =>
    post(gateway(), { model, temperature: 0, ...body }, { headers });

  test.each(MODELS)('answers an identical second request itself ($provider)', async (target) => {
    const body = { model: target.model, messages: [prompt(`sim:nonce=whole-${target.provider}`)] };
    const first = await ask(body);
    const second = await ask(body);
    expect([outcome(first), outcome(second)]).toEqual(['miss', 'hit']);
    expect(second.status).toBe(200);
    expect(second.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(await second.text()).toBe(await first.text());
    expect(second.headers.get('x-gateway-provider')).toBe(target.provider);
    expect(second.headers.get('x-gateway-attempts')).toBe('0');
    expect(requestIdOf(second)).not.toBe(requestIdOf(first));
    expect(callsOf(gateway().simulator, requestIdOf(second))).toEqual([]);
  });

  test('records what a hit has saved and that it cost nothing', async () => {
    const body = { messages: [prompt('sim:nonce=saved')] };
    const first = await rowOf(gateway(), requestIdOf(await ask(body)));
    const second = await rowOf(gateway(), requestIdOf(await ask(body)));
    expect(first).toMatchObject({ cache: 'miss', attempts: 1, saved_tokens: 0 });
    expect(second).toMatchObject({
      cache: 'hit',
      status: 200,
      ended: 'complete',
      attempts: 0,
      attempt_details: [],
      input_tokens: 0,
      output_tokens: 0,
      cost_micro_usd: 0,
      saved_tokens: first.input_tokens + first.output_tokens,
      provider: 'openai',
    });
    expect(second.saved_tokens).toBeGreaterThan(0);
  });

  test.each(MODELS)('replays a stream ($provider)', async (target) => {
    const body: OpenAI.ChatCompletionCreateParamsStreaming = {
      model: target.model,
      temperature: 0,
      messages: [prompt(`A stream to keep sim:nonce=stream-${target.provider}`)],
      stream: true,
      stream_options: { include_usage: true },
    };
    const read = async () => {
      const { data, response } = await openaiClient(gateway())
        .chat.completions.create(body)
        .withResponse();
      return { chunks: await Array.fromAsync(data), outcome: outcome(response) };
    };
    const first = await read();
    const second = await read();
    expect([first.outcome, second.outcome]).toEqual(['miss', 'hit']);
    expect(second.chunks).toEqual(first.chunks);
    expect(second.chunks.at(-1)?.usage).toBeDefined();
  });

  test('is not asked for answers that may differ, unless the request names a time', async () => {
    const body = { temperature: 0.7, messages: [prompt('sim:nonce=creative')] };
    const headers = { 'x-gateway-cache-ttl': '60' };
    expect(outcome(await ask(body))).toBe('bypass');
    expect(outcome(await ask(body, headers))).toBe('miss');
    expect(outcome(await ask(body, headers))).toBe('hit');
    expect(outcome(await ask(body))).toBe('bypass');
  });

  test('is passed by on request', async () => {
    const body = { messages: [prompt('sim:nonce=bypassed')] };
    const headers = { 'x-gateway-cache-bypass': '1' };
    expect(outcome(await ask(body, headers))).toBe('bypass');
    expect(outcome(await ask(body))).toBe('miss');
    const third = await ask(body, headers);
    expect(outcome(third)).toBe('bypass');
    expect(callsOf(gateway().simulator, requestIdOf(third))).toHaveLength(1);
  });

  test('refuses a time that is none', async () => {
    const response = await ask(
      { messages: [prompt('Hello')] },
      { 'x-gateway-cache-ttl': 'for ever' },
    );
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: 'x-gateway-cache-ttl' } });
  });

  test('keeps the answers of tenants apart', async () => {
    const body = { model, temperature: 0, messages: [prompt('sim:nonce=tenants')] };
    const { baseUrl } = gateway();
    const asTenant = async (tenant: string) => {
      const { key } = await createKey(gateway(), { tenant });
      return outcome(await post({ baseUrl, clientKey: key }, body));
    };
    expect(await asTenant('one')).toBe('miss');
    expect(await asTenant('two')).toBe('miss');
    // Another key of the same tenant.
    expect(await asTenant('one')).toBe('hit');
  });

  test('holds no answer that was not complete', async () => {
    const failing = { messages: [prompt('sim:status=500x2-then-ok;nonce=failed-once')] };
    expect((await ask(failing)).status).toBe(502);
    expect(outcome(await ask(failing))).toBe('miss');
    const cut = { messages: [prompt('sim:tokens=20;cut=after:5;nonce=cut')], stream: true };
    await expect((await ask(cut)).text()).rejects.toThrow();
    expect(outcome(await ask(cut))).toBe('miss');
  });
});
