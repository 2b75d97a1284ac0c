import type { Usage } from '@gateway/protocol';
import { tokenCount } from '../chat/usage.ts';
import type { JsonObject } from '../json/read-json.ts';
import type { ApiUsage } from './gemini-api.ts';

/** Google counts thoughts beside the candidates, and what its own tools read beside the prompt. */
export function usageFromGemini(usage: ApiUsage | null | undefined): Usage | undefined {
  const prompt = tokenCount(usage?.promptTokenCount);
  if (usage == null || prompt === undefined) return undefined;
  const inputTokens = prompt + (tokenCount(usage.toolUsePromptTokenCount) ?? 0);
  const reasoningTokens = tokenCount(usage.thoughtsTokenCount) ?? 0;
  return {
    inputTokens,
    outputTokens: (tokenCount(usage.candidatesTokenCount) ?? 0) + reasoningTokens,
    cachedInputTokens: Math.min(tokenCount(usage.cachedContentTokenCount) ?? 0, inputTokens),
    cacheWriteInputTokens: 0,
    reasoningTokens,
  };
}

/** Our usage in Google's own definition. */
export function usageToGemini(usage: Usage): JsonObject {
  const { inputTokens, outputTokens, reasoningTokens, cachedInputTokens } = usage;
  return {
    promptTokenCount: inputTokens,
    candidatesTokenCount: outputTokens - reasoningTokens,
    totalTokenCount: inputTokens + outputTokens,
    ...(reasoningTokens > 0 && { thoughtsTokenCount: reasoningTokens }),
    ...(cachedInputTokens > 0 && { cachedContentTokenCount: cachedInputTokens }),
  };
}
