import type { ToolCallAnswer } from '../chat/chat-answer.ts';
import { isObject } from '../json/read-json.ts';
import type { AnswerContext } from '../translator.ts';
import type { ApiPart } from './gemini-api.ts';

/**
 * A call as the client gets it. Google seldom names a call, so that the name is made of the
 * answer's id and the call's number. The thought signature, which newer models want back, rides
 * where Google's own compatible API has it.
 */
export function toolCallFromGemini(
  { functionCall, thoughtSignature }: ApiPart,
  number: number,
  { record, fallbackId }: AnswerContext,
): ToolCallAnswer {
  const answerId = record.responseId ?? fallbackId;
  return {
    id: functionCall?.id || `call_${answerId}_${number}`,
    type: 'function',
    function: {
      name: functionCall?.name ?? '',
      arguments: JSON.stringify(functionCall?.args ?? {}),
    },
    ...(thoughtSignature && {
      extra_content: { google: { thought_signature: thoughtSignature } },
    }),
  };
}

/** The signature that a client gave back with a call. */
export function signatureInCall(call: unknown): string | undefined {
  const extra = isObject(call) ? call.extra_content : undefined;
  const google = isObject(extra) ? extra.google : undefined;
  const signature = isObject(google) ? google.thought_signature : undefined;
  return typeof signature === 'string' && signature !== '' ? signature : undefined;
}
