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

export function stopReasonToMessages(
  reason: FinishReason,
  isRefusal: boolean,
  stopSequence: string | undefined,
): string {
  if (isRefusal) return 'refusal';
  switch (reason) {
    case 'length':
      return 'max_tokens';
    case 'tool_calls':
      return 'tool_use';
    case 'content_filter':
      return 'refusal';
    default:
      return stopSequence === undefined ? 'end_turn' : 'stop_sequence';
  }
}
