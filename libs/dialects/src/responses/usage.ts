import type { Usage } from '@gateway/protocol';
import { tokenCount } from '../chat/usage.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';

/**
 * The usage of a server that speaks this dialect. Input includes cached tokens, output includes
 * reasoning; a total that is more than both counted something apart, which is output.
 */
export function usageFromResponses(value: unknown): Usage | undefined {
  if (!isObject(value)) return undefined;
  const inputTokens = tokenCount(value.input_tokens);
  const said = tokenCount(value.output_tokens);
  if (inputTokens === undefined || said === undefined) return undefined;
  const total = tokenCount(value.total_tokens) ?? 0;
  const outputTokens = said + Math.max(0, total - inputTokens - said);
  const input = detailsOf(value.input_tokens_details);
  const output = detailsOf(value.output_tokens_details);
  const atMost = (count: unknown, limit: number) => Math.min(tokenCount(count) ?? 0, limit);
  return {
    inputTokens,
    outputTokens,
    cachedInputTokens: atMost(input.cached_tokens, inputTokens),
    cacheWriteInputTokens: atMost(input.cache_write_tokens, inputTokens),
    reasoningTokens: atMost(output.reasoning_tokens, outputTokens),
  };
}

/** Our usage as the dialect's `usage` object. */
export function usageToResponses(usage: Usage): JsonObject {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: {
      cached_tokens: usage.cachedInputTokens,
      cache_write_tokens: usage.cacheWriteInputTokens,
    },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.inputTokens + usage.outputTokens,
  };
}

function detailsOf(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
