import { type AttemptedEvent, NO_USAGE, type Usage } from '@gateway/protocol';
import { calcPrice, findProvider } from '@pydantic/genai-prices';
import { describe, expect, test } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { costOf, PRICE_DATE } from './prices.ts';

function attempt(change: Partial<AttemptedEvent>): AttemptedEvent {
  return {
    kind: 'attempted',
    schema: 1,
    requestId: '0199a0a0-0000-7000-8000-000000000000',
    attempt: 1,
    at: Date.UTC(2026, 9, 1),
    tenant: 'acme',
    provider: 'openai',
    model: 'gpt-4o-mini',
    finishReasons: [],
    usage: { ...NO_USAGE, inputTokens: 1_000, outputTokens: 100 },
    usageSource: 'provider',
    latencyMs: 1,
    assumed: false,
    ...change,
  };
}

describe('costOf', () => {
  test.each<{ name: string; change: Partial<AttemptedEvent>; microUsd: number | null }>([
    { name: 'input and output', change: {}, microUsd: 210 },
    {
      name: 'embeddings of OpenAI, which are input alone',
      change: { model: 'text-embedding-3-small', usage: { ...NO_USAGE, inputTokens: 1_000_000 } },
      microUsd: 20_000,
    },
    {
      name: 'embeddings of Google',
      change: {
        provider: 'google',
        model: 'gemini-embedding-001',
        usage: { ...NO_USAGE, inputTokens: 1_000_000 },
      },
      microUsd: 150_000,
    },
    {
      name: 'cached input as a part of the input',
      change: { usage: { ...NO_USAGE, inputTokens: 1_000, cachedInputTokens: 1_000 } },
      microUsd: 75,
    },
    {
      name: 'input written to a cache',
      change: {
        provider: 'anthropic',
        model: 'claude-sonnet-4-20250514',
        usage: { ...NO_USAGE, inputTokens: 1_000, cacheWriteInputTokens: 1_000 },
      },
      microUsd: 3_750,
    },
    {
      name: 'the model that answered rather than the one asked for',
      change: { model: 'an-alias', responseModel: 'gpt-4o-mini-2024-07-18' },
      microUsd: 210,
    },
    {
      name: 'the model asked for where the one that answered has no price',
      change: { responseModel: 'gpt-4o-mini-special' },
      microUsd: 210,
    },
    { name: 'an unknown model', change: { model: 'no-such-model' }, microUsd: null },
    { name: 'an unknown provider', change: { provider: 'of-our-own' }, microUsd: null },
    {
      name: 'a call of which nothing is known',
      change: { usageSource: 'unknown' },
      microUsd: null,
    },
    {
      name: 'more cached input than input, which the list would refuse',
      change: { usage: { ...NO_USAGE, inputTokens: 10, cachedInputTokens: 1_000 } },
      microUsd: 75,
    },
    {
      name: 'a sum that is no price',
      change: { usage: { ...NO_USAGE, inputTokens: 1e15 } },
      microUsd: null,
    },
  ])('$name', ({ change, microUsd }) => {
    const priceDate = microUsd === null ? null : PRICE_DATE;
    // Twice, since the second time the model's place in the list is remembered.
    expect(costOf(attempt(change))).toEqual({ costMicroUsd: microUsd, priceDate });
    expect(costOf(attempt(change))).toEqual({ costMicroUsd: microUsd, priceDate });
  });

  test('a call without tokens is free whatever the model', () => {
    const free = costOf(attempt({ model: 'no-such-model', usage: NO_USAGE, usageSource: 'none' }));
    expect(free).toEqual({ costMicroUsd: 0, priceDate: null });
  });

  test('is what the list calculates, for every model of the providers', () => {
    const usages: readonly Usage[] = [
      { ...NO_USAGE, inputTokens: 1_234, outputTokens: 77 },
      { ...NO_USAGE, inputTokens: 300_001, outputTokens: 1, cachedInputTokens: 123_457 },
      { ...NO_USAGE, inputTokens: 9, outputTokens: 3, cacheWriteInputTokens: 7 },
      { ...NO_USAGE, inputTokens: 1, cachedInputTokens: 3, cacheWriteInputTokens: 5 },
    ];
    let models = 0;
    for (const provider of ['openai', 'anthropic', 'google', 'groq', 'mistral', 'deepseek']) {
      for (const { id: model } of findProvider({ providerId: provider })?.models ?? []) {
        models++;
        for (const usage of [...usages, ...usages]) {
          const read = usage.cachedInputTokens;
          const written = usage.cacheWriteInputTokens;
          const listed = calcPrice(
            {
              input_tokens: Math.max(usage.inputTokens, read + written),
              cache_read_tokens: read,
              cache_write_tokens: written,
              output_tokens: usage.outputTokens,
            },
            model,
            { providerId: provider, timestamp: new Date(attempt({}).at) },
          );
          const expected = listed && Math.round(listed.total_price * 1_000_000);
          const { costMicroUsd } = costOf(attempt({ provider, model, usage }));
          expect(costMicroUsd, `${provider} ${model}`).toBe(expected);
        }
      }
    }
    expect(models).toBeGreaterThan(100);
  });

  test('its date is that of the pinned version of the list', () => {
    expect([manifest.dependencies['@pydantic/genai-prices'], PRICE_DATE]).toEqual([
      '0.1.8',
      '2026-09-23',
    ]);
  });
});
