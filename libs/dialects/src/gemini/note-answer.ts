import type { AnswerRecord } from '../answer-record.ts';
import { badAnswer } from '../chat/read-answer.ts';
import { isObject, type JsonObject } from '../json/read-json.ts';
import { errorInGeminiAnswer } from './error.ts';
import { finishReasonFromGemini, isUsableFinish } from './finish-reason.ts';
import { usageFromGemini } from './usage.ts';

/**
 * Notes what an answer or an event says of itself on its way to a client of the same dialect, which
 * reads everything else by itself. `callers` keeps the candidates of a stream that called a function. Throws the error that it holds, or `provider_bad_response`.
 */
export function noteGeminiAnswer(
  value: unknown,
  record: AnswerRecord,
  callers: Set<number> = new Set(),
): void {
  const error = errorInGeminiAnswer(value);
  if (error !== undefined) throw error;
  if (!isObject(value)) throw badAnswer('the answer is not an object');
  record.name(textOf(value.responseId), textOf(value.modelVersion));
  if (isObject(value.usageMetadata)) record.count(usageFromGemini(value.usageMetadata));
  const candidates = Array.isArray(value.candidates) ? value.candidates : [];
  for (const [position, candidate] of candidates.filter(isObject).entries()) {
    noteCandidate(candidate, position, record, callers);
  }
  const feedback = isObject(value.promptFeedback) ? value.promptFeedback : {};
  if (candidates.length === 0 && textOf(feedback.blockReason)) record.finish(0, 'content_filter');
}

function noteCandidate(
  candidate: JsonObject,
  position: number,
  record: AnswerRecord,
  callers: Set<number>,
): void {
  const index = typeof candidate.index === 'number' ? candidate.index : position;
  record.see(index);
  const parts = isObject(candidate.content) ? candidate.content.parts : undefined;
  const present = (Array.isArray(parts) ? parts : []).filter(isObject);
  for (const { text, functionCall } of present) {
    record.outputCharacters += textOf(text)?.length ?? 0;
    if (isObject(functionCall)) {
      callers.add(index);
      record.outputCharacters += JSON.stringify(functionCall.args ?? {}).length;
    }
  }
  const reason = textOf(candidate.finishReason);
  if (reason === undefined) return;
  const isUsable = isUsableFinish(reason);
  const finish = isUsable ? finishReasonFromGemini(reason, callers.has(index)) : reason;
  record.finish(index, finish.toLowerCase());
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
