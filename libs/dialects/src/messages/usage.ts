import { NO_USAGE, type Usage } from '@gateway/protocol';
import { tokenCount } from '../chat/usage.ts';
import type { JsonObject } from '../json/read-json.ts';
import type { ApiUsage } from './messages-api.ts';

/** Anthropic counts cached input beside `input_tokens`; ours includes it. */
export function usageFromMessages(usage: ApiUsage | null | undefined): Usage | undefined {
  const uncached = tokenCount(usage?.input_tokens);
  const outputTokens = tokenCount(usage?.output_tokens);
  if (usage == null || uncached === undefined || outputTokens === undefined) return undefined;
  const cachedInputTokens = tokenCount(usage.cache_read_input_tokens) ?? 0;
  const cacheWriteInputTokens = tokenCount(usage.cache_creation_input_tokens) ?? 0;
  const reasoning = tokenCount(usage.output_tokens_details?.thinking_tokens) ?? 0;
  return {
    inputTokens: uncached + cachedInputTokens + cacheWriteInputTokens,
    outputTokens,
    cachedInputTokens,
    cacheWriteInputTokens,
    reasoningTokens: Math.min(reasoning, outputTokens),
  };
}

/** A later report over an earlier one: what the later leaves out or says null for still holds. */
export function mergeUsage(earlier: ApiUsage | undefined, later: ApiUsage): ApiUsage {
  const said = Object.entries(later).filter(([, value]) => value !== null && value !== undefined);
  return { ...earlier, ...Object.fromEntries(said) };
}

/** Our usage in Anthropic's definition; nothing but zeros while none is known. */
export function usageToMessages(usage: Usage = NO_USAGE): JsonObject {
  const { inputTokens, cachedInputTokens, cacheWriteInputTokens } = usage;
  return {
    input_tokens: Math.max(0, inputTokens - cachedInputTokens - cacheWriteInputTokens),
    cache_creation_input_tokens: cacheWriteInputTokens,
    cache_read_input_tokens: cachedInputTokens,
    output_tokens: usage.outputTokens,
    ...(usage.reasoningTokens > 0 && {
      output_tokens_details: { thinking_tokens: usage.reasoningTokens },
    }),
  };
}
