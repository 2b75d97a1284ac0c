import type { ChoiceAnswer, WholeAnswer } from '../chat/chat-answer.ts';
import { badAnswer } from '../chat/read-answer.ts';
import type { AnswerContext } from '../translator.ts';
import { finishReasonFromGemini } from './finish-reason.ts';
import { type ApiAnswer, type ApiCandidate, apiAnswer } from './gemini-api.ts';
import { toolCallFromGemini } from './tool-call.ts';
import { usageFromGemini } from './usage.ts';

/** Parts of tools that Google ran itself are not for the client, and are left out. */
export function geminiAnswerToChat(value: unknown, context: AnswerContext): WholeAnswer {
  const answer = readGeminiAnswer(value);
  const { candidates, promptFeedback, usageMetadata, modelVersion, responseId } = answer;
  context.record.name(responseId, modelVersion);
  context.record.count(usageFromGemini(usageMetadata));
  const choices = (candidates ?? []).map((candidate, index) =>
    choiceOf(candidate, candidate.index ?? index, context),
  );
  if (choices.length === 0 && promptFeedback?.blockReason) choices.push(BLOCKED);
  if (choices.length === 0) throw badAnswer('the answer has no candidates');
  return {
    id: responseId ?? context.fallbackId,
    model: modelVersion ?? context.model,
    choices,
  };
}

export function readGeminiAnswer(value: unknown): ApiAnswer {
  const result = apiAnswer.safeParse(value);
  if (!result.success) throw badAnswer('the answer has an unknown shape');
  return result.data;
}

/** The prompt itself was blocked: there is no candidate to say so. */
const BLOCKED: ChoiceAnswer = {
  index: 0,
  text: '',
  reasoning: '',
  toolCalls: [],
  finishReason: 'content_filter',
};

function choiceOf(candidate: ApiCandidate, index: number, context: AnswerContext): ChoiceAnswer {
  const parts = candidate.content?.parts ?? [];
  const spoken = parts.filter((part) => typeof part.text === 'string');
  const calls = parts.filter((part) => part.functionCall != null);
  const toolCalls = (context.oneToolCall ? calls.slice(0, 1) : calls).map((part, number) =>
    toolCallFromGemini(part, number, context),
  );
  return {
    index,
    text: spoken.map((part) => (part.thought === true ? '' : part.text)).join(''),
    reasoning: spoken.map((part) => (part.thought === true ? part.text : '')).join(''),
    toolCalls,
    finishReason: finishReasonFromGemini(candidate.finishReason ?? 'STOP', toolCalls.length > 0),
  };
}
