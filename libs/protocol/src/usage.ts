/**
 * Token usage of a call, in our one definition. Input includes what was read from or written to a
 * provider's prompt cache; output includes reasoning. Providers that count otherwise are converted
 * where their answer is read.
 */
import { z } from 'zod';
import { fieldsOf, hasFields, isWhole } from './exact-check.ts';

const tokens = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const usage = z.object({
  inputTokens: tokens,
  outputTokens: tokens,
  /** Part of the input that was read from the provider's prompt cache. */
  cachedInputTokens: tokens.default(0),
  /** Part of the input that was written to the provider's prompt cache. */
  cacheWriteInputTokens: tokens.default(0),
  /** Part of the output that is reasoning. */
  reasoningTokens: tokens.default(0),
});

export type Usage = z.infer<typeof usage>;

/** With all of its counts, as the gateway itself writes it. */
export function isUsage(value: unknown): boolean {
  const fields = fieldsOf(value);
  return (
    isWhole(fields.inputTokens, 0) &&
    isWhole(fields.outputTokens, 0) &&
    isWhole(fields.cachedInputTokens, 0) &&
    isWhole(fields.cacheWriteInputTokens, 0) &&
    isWhole(fields.reasoningTokens, 0) &&
    hasFields(value, 5)
  );
}

export const NO_USAGE: Usage = {
  inputTokens: 0,
  outputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteInputTokens: 0,
  reasoningTokens: 0,
};

export function addUsage(left: Usage, right: Usage): Usage {
  return {
    inputTokens: left.inputTokens + right.inputTokens,
    outputTokens: left.outputTokens + right.outputTokens,
    cachedInputTokens: left.cachedInputTokens + right.cachedInputTokens,
    cacheWriteInputTokens: left.cacheWriteInputTokens + right.cacheWriteInputTokens,
    reasoningTokens: left.reasoningTokens + right.reasoningTokens,
  };
}
