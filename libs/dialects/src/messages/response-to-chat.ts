import type { ToolCallAnswer, WholeAnswer } from '../chat/chat-answer.ts';
import { badAnswer } from '../chat/read-answer.ts';
import type { ReasoningDetail } from '../chat/reasoning-details.ts';
import { isObject } from '../json/read-json.ts';
import type { AnswerContext } from '../translator.ts';
import { citationOf } from './citation.ts';
import { type ApiBlock, apiMessage } from './messages-api.ts';
import { finishReasonFromMessages } from './stop-reason.ts';
import { usageFromMessages } from './usage.ts';

/** Blocks of tools that Anthropic ran itself are not for the client, and are left out. */
export function messagesAnswerToChat(value: unknown, context: AnswerContext): WholeAnswer {
  const result = apiMessage.safeParse(value);
  if (!result.success) throw badAnswer('the answer is not a message');
  const { id, model, content, usage, stop_reason, stop_details } = result.data;
  context.record.count(usageFromMessages(usage));
  const toolCalls = content.flatMap((block, index): ToolCallAnswer[] => {
    if (block.type !== 'tool_use') return [];
    const call = {
      name: block.name ?? '',
      arguments: JSON.stringify(isObject(block.input) ? block.input : {}),
    };
    return [{ id: block.id ?? `${context.fallbackId}-${index}`, type: 'function', function: call }];
  });
  const refusal = stop_reason === 'refusal' ? (stop_details?.explanation ?? undefined) : undefined;
  return {
    id: id ?? context.fallbackId,
    model: model ?? context.model,
    choices: [
      {
        index: 0,
        text: content.map((block) => (block.type === 'text' ? (block.text ?? '') : '')).join(''),
        reasoning: content
          .map((block) => (block.type === 'thinking' ? (block.thinking ?? '') : ''))
          .join(''),
        refusal,
        toolCalls,
        reasoningDetails: content.flatMap(reasoningDetailOf),
        citations: content.flatMap(({ citations }) => (citations ?? []).flatMap(citationOf)),
        finishReason: finishReasonFromMessages(stop_reason),
      },
    ],
  };
}

function reasoningDetailOf(block: ApiBlock): ReasoningDetail[] {
  const format = 'anthropic-claude-v1';
  if (block.type === 'redacted_thinking' && block.data) {
    return [{ type: 'reasoning.encrypted', data: block.data, format }];
  }
  if (block.type !== 'thinking' || !block.signature) return [];
  const { thinking, signature } = block;
  return [{ type: 'reasoning.text', text: thinking ?? '', signature, format }];
}
