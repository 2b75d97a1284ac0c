import type { AnswerContext } from '../translator.ts';
import type {
  ChatAnswer,
  ChoiceAnswer,
  Spoken,
  ToolCallAnswer,
  WholeAnswer,
} from './chat-answer.ts';
import { citationsFromChat } from './citation.ts';
import { badAnswer, readChatAnswer } from './read-answer.ts';
import { readReasoningDetails } from './reasoning-details.ts';
import { finishReasonFromChat, spokenText, stopSequenceOf } from './spoken.ts';
import { usageFromChat } from './usage.ts';

/** Throws the error that the answer holds, or `provider_bad_response`. */
export function readWholeChatAnswer(value: unknown, context: AnswerContext): WholeAnswer {
  const answer = readChatAnswer(value);
  const { choices, usage, x_groq: groq } = answer;
  if (choices == null || choices.length === 0) throw badAnswer('the answer has no choices');
  context.record.count(usageFromChat(usage) ?? usageFromChat(groq?.usage));
  return {
    id: answer.id || context.fallbackId,
    model: answer.model || context.model,
    choices: choices.map((choice, position) => choiceOf(choice, position, context)),
  };
}

type ApiChoice = NonNullable<ChatAnswer['choices']>[number];

function choiceOf(choice: ApiChoice, position: number, context: AnswerContext): ChoiceAnswer {
  const said = choice.message ?? {};
  const toolCalls = callsOf(said, context.fallbackId);
  return {
    index: choice.index ?? position,
    ...spokenText(said),
    refusal: said.refusal || undefined,
    toolCalls,
    finishReason: finishReasonFromChat(choice.finish_reason ?? '', toolCalls.length > 0),
    stopSequence: stopSequenceOf(choice.stop_reason),
    reasoningDetails: readReasoningDetails(said.reasoning_details),
    citations: citationsFromChat(said.annotations),
  };
}

function callsOf(said: Spoken, fallbackId: string): readonly ToolCallAnswer[] {
  const legacy = said.function_call ? [{ function: said.function_call }] : [];
  return [...(said.tool_calls ?? []), ...legacy].flatMap((call, number): ToolCallAnswer[] => {
    const { name, arguments: text } = call.function ?? {};
    if (!name) return [];
    const { id, extra_content: extra } = call as { id?: string | null; extra_content?: unknown };
    return [
      {
        id: id || `${fallbackId}-${number}`,
        type: 'function',
        function: { name, arguments: text?.trim() ? text : '{}' },
        ...(extra !== undefined && { extra_content: extra }),
      },
    ];
  });
}
