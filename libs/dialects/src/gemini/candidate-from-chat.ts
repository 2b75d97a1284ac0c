import type { FinishReason, ToolCallAnswer } from '../chat/chat-answer.ts';
import type { Citation } from '../chat/citation.ts';
import { badAnswer } from '../chat/read-answer.ts';
import { isObject, type JsonObject, readJson } from '../json/read-json.ts';
import { finishReasonToGemini } from './finish-reason.ts';
import { signatureInCall } from './tool-call.ts';

/**
 * A call as a part. One whose arguments were cut at the length limit is left out: the finish reason
 * says so. Throws `provider_bad_response` for other arguments that are no object.
 */
export function partsOfCall(call: ToolCallAnswer, reason: FinishReason): JsonObject[] {
  const { name, arguments: text } = call.function;
  const args = text.trim() === '' ? {} : readJson(text);
  if (!isObject(args)) {
    if (reason === 'length') return [];
    throw badAnswer('the arguments of a tool call are not an object in JSON');
  }
  const thoughtSignature = signatureInCall(call);
  return [
    {
      functionCall: { id: call.id, name, args },
      ...(thoughtSignature !== undefined && { thoughtSignature }),
    },
  ];
}

/** What a finished candidate says beside its content. */
export function endOfCandidate(reason: FinishReason, citations: readonly Citation[]): JsonObject {
  return {
    finishReason: finishReasonToGemini(reason),
    ...(citations.length > 0 && {
      citationMetadata: { citationSources: citations.map(sourceOf) },
    }),
  };
}

function sourceOf({ url, title, startIndex, endIndex }: Citation): JsonObject {
  return {
    uri: url,
    ...(title !== '' && { title }),
    ...(startIndex !== undefined && { startIndex }),
    ...(endIndex !== undefined && { endIndex }),
  };
}
