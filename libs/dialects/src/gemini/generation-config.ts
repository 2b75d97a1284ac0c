import type { ChatRequest } from '../chat/chat-request.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';

/**
 * Tokens to think with, per effort, as Google's compatible API maps them for models with a budget.
 */
const THINKING_BUDGETS: Readonly<Record<string, number>> = {
  none: 0,
  minimal: 1_024,
  low: 1_024,
  medium: 8_192,
  high: 24_576,
  xhigh: 24_576,
};

/** Levels of models from Gemini 3 on. */
const THINKING_LEVELS: Readonly<Record<string, string>> = {
  none: 'minimal',
  minimal: 'minimal',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
};

/** @see https://ai.google.dev/api/generate-content#generationconfig */
export function generationConfigOf(
  request: ChatRequest,
  model: string,
  stop: readonly string[],
): JsonObject {
  const config = {
    temperature: request.temperature,
    topP: request.top_p,
    topK: request.top_k,
    maxOutputTokens: request.max_completion_tokens ?? request.max_tokens,
    candidateCount: request.n === 1 ? undefined : request.n,
    seed: request.seed,
    presencePenalty: request.presence_penalty,
    frequencyPenalty: request.frequency_penalty,
    stopSequences: stop.length === 0 ? undefined : stop,
    ...formatOf(request),
    thinkingConfig: thinkingOf(request.reasoning_effort, model),
  };
  return Object.fromEntries(
    Object.entries(config).filter(([, value]) => value !== undefined && value !== null),
  );
}

function formatOf({ response_format: format }: ChatRequest): JsonObject {
  if (format == null || format.type === 'text') return {};
  const schema = format.type === 'json_schema' ? format.json_schema.schema : undefined;
  return {
    responseMimeType: 'application/json',
    ...(isObject(schema) && { responseJsonSchema: schema }),
  };
}

function thinkingOf(effort: string | null | undefined, model: string): JsonObject | undefined {
  if (effort == null) return undefined;
  const major = /gemini-(\d+)/.exec(model)?.[1];
  const includeThoughts = effort !== 'none';
  if (major !== undefined && Number(major) < 3) {
    return { thinkingBudget: THINKING_BUDGETS[effort] ?? THINKING_BUDGETS.medium, includeThoughts };
  }
  return { thinkingLevel: THINKING_LEVELS[effort] ?? 'medium', includeThoughts };
}
