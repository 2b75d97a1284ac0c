import type { Usage } from '@gateway/protocol';
import { isObject, type JsonObject } from '../json/read-json.ts';

/** A count of tokens, or undefined for what is none. */
export function tokenCount(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/**
 * The usage of a server that speaks this dialect. Input includes cached tokens everywhere. Where
 * the total is more than its two parts, reasoning was counted apart (xAI, Google's compatible API)
 * and belongs to the output.
 */
export function usageFromChat(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const inputTokens = tokenCount(value.prompt_tokens);
  const completion = tokenCount(value.completion_tokens) ?? 0;
  if (inputTokens === undefined) return undefined;
  const total = tokenCount(value.total_tokens) ?? 0;
  const apart = Math.max(0, total - inputTokens - completion);
  const inputDetails = detailsOf(value.prompt_tokens_details);
  const outputDetails = detailsOf(value.completion_tokens_details);
  const cached =
    tokenCount(inputDetails.cached_tokens) ?? tokenCount(value.prompt_cache_hit_tokens) ?? 0;
  const outputTokens = completion + apart;
  return {
    inputTokens,
    outputTokens,
    cachedInputTokens: Math.min(cached, inputTokens),
    cacheWriteInputTokens: Math.min(tokenCount(inputDetails.cache_write_tokens) ?? 0, inputTokens),
    reasoningTokens: Math.min(tokenCount(outputDetails.reasoning_tokens) ?? apart, outputTokens),
  };
}

function detailsOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}

/** Our usage as the dialect's `usage` object. */
export function usageToChat(usage: Usage): JsonObject {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.inputTokens + usage.outputTokens,
    prompt_tokens_details: {
      cached_tokens: usage.cachedInputTokens,
      ...(usage.cacheWriteInputTokens > 0 && { cache_write_tokens: usage.cacheWriteInputTokens }),
    },
    completion_tokens_details: { reasoning_tokens: usage.reasoningTokens },
  };
}
