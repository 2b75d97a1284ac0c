import type { FinishReason } from '../chat/chat-answer.ts';

/** @see https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons */
export function finishReasonFromMessages(stopReason: string | null | undefined): FinishReason {
  switch (stopReason) {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length';
    case 'tool_use':
      return 'tool_calls';
    case 'refusal':
      return 'content_filter';
    default:
      return 'stop';
  }
}
