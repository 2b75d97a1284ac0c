/** What servers of this dialect put into a message or a delta, under whatever name. */
import { GatewayError } from '@gateway/protocol';
import { isObject } from '../json/read-json.ts';
import type { FinishReason, Spoken } from './chat-answer.ts';

export interface SpokenText {
  readonly text: string;
  readonly reasoning: string;
}

/**
 * Text and reasoning. DeepSeek and xAI say `reasoning_content`, Groq, Ollama and OpenRouter say
 * `reasoning` (OpenRouter both), and Mistral answers with an array of parts, thoughts nested in it.
 */
export function spokenText(said: Spoken): SpokenText {
  const parts = partsText(said.content);
  return {
    text: parts.text,
    reasoning: (said.reasoning_content || said.reasoning || '') + parts.reasoning,
  };
}

function partsText(content: Spoken['content']): SpokenText {
  if (!Array.isArray(content)) return { text: content ?? '', reasoning: '' };
  let text = '';
  let reasoning = '';
  for (const part of content) {
    if (part.type === 'thinking') reasoning += nestedText(part.thinking);
    else if (part.type === 'text') text += nestedText(part.text);
  }
  return { text, reasoning };
}

function nestedText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return '';
  return value.map((item: unknown) => (isObject(item) ? nestedText(item.text) : '')).join('');
}

const REASONS: Readonly<Record<string, FinishReason>> = {
  length: 'length',
  max_tokens: 'length',
  model_length: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  content_filter: 'content_filter',
};

/** Reasons by which a server says that its answer broke off. */
const FAILURES: readonly string[] = ['error', 'insufficient_system_resource'];

/**
 * Servers say `stop` with tool calls, too, OpenAI when the tool was forced. Throws
 * `provider_unavailable` when the reason is that the provider failed.
 */
export function finishReasonFromChat(reason: string, hasToolCalls: boolean): FinishReason {
  if (FAILURES.includes(reason)) {
    throw new GatewayError('provider_unavailable', 'The provider failed in its answer.', {
      detail: `the finish reason is ${reason}`,
    });
  }
  return REASONS[reason] ?? (hasToolCalls ? 'tool_calls' : 'stop');
}

/** The stop sequence that was met, where a server tells; a number is a token of its own. */
export function stopSequenceOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
