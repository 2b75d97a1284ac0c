import type { FinishReason } from '../chat/chat-answer.ts';
import { badAnswer } from '../chat/read-answer.ts';

const FILTERED = new Set([
  'SAFETY',
  'RECITATION',
  'LANGUAGE',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
  'IMAGE_RECITATION',
]);

/** What the model said cannot be used, and another attempt may go well. */
const FAILED = new Set([
  'MALFORMED_FUNCTION_CALL',
  'MALFORMED_RESPONSE',
  'TOO_MANY_TOOL_CALLS',
  'MISSING_THOUGHT_SIGNATURE',
]);

/**
 * Google says STOP with function calls too.
 * @see https://ai.google.dev/api/generate-content#FinishReason
 */
export function finishReasonFromGemini(reason: string, hasToolCalls: boolean): FinishReason {
  checkFinish(reason);
  if (FILTERED.has(reason)) return 'content_filter';
  if (reason === 'MAX_TOKENS') return 'length';
  return hasToolCalls ? 'tool_calls' : 'stop';
}

/** Throws `provider_bad_response` for an end that left no usable answer. */
export function checkFinish(reason: string): void {
  if (!isUsableFinish(reason)) throw badAnswer(`the answer ended with ${reason}`);
}

export function isUsableFinish(reason: string): boolean {
  return !FAILED.has(reason);
}

const REASONS: Readonly<Record<FinishReason, string>> = {
  stop: 'STOP',
  tool_calls: 'STOP',
  length: 'MAX_TOKENS',
  content_filter: 'SAFETY',
};

export function finishReasonToGemini(reason: FinishReason): string {
  return REASONS[reason];
}
