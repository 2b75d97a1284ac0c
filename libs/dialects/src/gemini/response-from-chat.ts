import type { AnswerRecord } from '../answer-record.ts';
import type { ChoiceAnswer, WholeAnswer } from '../chat/chat-answer.ts';
import { charactersOfChoice } from '../chat/write-answer.ts';
import type { JsonObject } from '../json/read-json.ts';
import { endOfCandidate, partsOfCall } from './candidate-from-chat.ts';
import { signatureOfDetail } from './thought-signature.ts';
import { usageToGemini } from './usage.ts';

/** The body of a generateContent answer. */
export function geminiAnswerFromChat(answer: WholeAnswer, record: AnswerRecord): Uint8Array {
  record.name(answer.id, answer.model);
  for (const choice of answer.choices) {
    record.finish(choice.index, choice.finishReason);
    record.outputCharacters += charactersOfChoice(choice);
  }
  const body = {
    candidates: answer.choices.map((choice) => ({
      content: { parts: partsOf(choice), role: 'model' },
      ...endOfCandidate(choice.finishReason, choice.citations ?? []),
      index: choice.index,
    })),
    ...(record.usage !== undefined && { usageMetadata: usageToGemini(record.usage) }),
    modelVersion: answer.model,
    responseId: answer.id,
  };
  return new TextEncoder().encode(JSON.stringify(body));
}

/** Google has no refusal apart: it is text of the model. */
function partsOf(choice: ChoiceAnswer): JsonObject[] {
  const text = choice.text + (choice.refusal ?? '');
  const calls = choice.toolCalls.flatMap((call) => partsOfCall(call, choice.finishReason));
  const parts = [...thoughtsOf(choice), ...(text === '' ? [] : [{ text }]), ...calls];
  return parts.length === 0 ? [{ text: '' }] : parts;
}

function thoughtsOf({ reasoning, reasoningDetails = [] }: ChoiceAnswer): JsonObject[] {
  const signed = reasoningDetails.map((detail) => ({
    text: detail.type === 'reasoning.text' ? detail.text : '',
    thought: true,
    thoughtSignature: signatureOfDetail(detail),
  }));
  const signedText = signed.map(({ text }) => text).join('');
  if (signedText === reasoning) return signed;
  // The provider signed something else than what it shows: both are kept.
  return [{ text: reasoning, thought: true }, ...signed.map((part) => ({ ...part, text: '' }))];
}
