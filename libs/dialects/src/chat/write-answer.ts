import type { AnswerRecord } from '../answer-record.ts';
import type { JsonObject } from '../json/read-json.ts';
import type { ChoiceAnswer, WholeAnswer } from './chat-answer.ts';
import { citationToChat } from './citation.ts';
import { usageToChat } from './usage.ts';

/** The client's body for an answer that came in another dialect. */
export function writeWholeAnswer(
  answer: WholeAnswer,
  record: AnswerRecord,
  createdSeconds: number,
): Uint8Array {
  record.name(answer.id, answer.model);
  for (const choice of answer.choices) {
    record.finish(choice.index, choice.finishReason);
    record.outputCharacters += charactersOfChoice(choice);
  }
  const completion = {
    id: answer.id,
    object: 'chat.completion',
    created: createdSeconds,
    model: answer.model,
    choices: answer.choices.map((choice) => ({
      index: choice.index,
      message: messageOf(choice),
      logprobs: null,
      finish_reason: choice.finishReason,
    })),
    ...(record.usage !== undefined && { usage: usageToChat(record.usage) }),
  };
  return new TextEncoder().encode(JSON.stringify(completion));
}

function messageOf(choice: ChoiceAnswer): JsonObject {
  const { text, reasoning, refusal, toolCalls, reasoningDetails = [], citations = [] } = choice;
  return {
    role: 'assistant',
    content: text === '' && (toolCalls.length > 0 || refusal !== undefined) ? null : text,
    refusal: refusal ?? null,
    ...(reasoning !== '' && { reasoning_content: reasoning }),
    ...(reasoningDetails.length > 0 && {
      reasoning_details: reasoningDetails.map((detail, index) => ({ ...detail, index })),
    }),
    ...(citations.length > 0 && { annotations: citations.map(citationToChat) }),
    ...(toolCalls.length > 0 && { tool_calls: toolCalls }),
  };
}

/** Characters of everything that a choice says, for estimates. */
export function charactersOfChoice(choice: ChoiceAnswer): number {
  const { text, reasoning, refusal, toolCalls } = choice;
  const calls = toolCalls.reduce((sum, call) => sum + call.function.arguments.length, 0);
  return text.length + reasoning.length + (refusal ?? '').length + calls;
}
