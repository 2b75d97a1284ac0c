import type { AnswerRecord } from '../answer-record.ts';
import { badAnswer } from '../chat/read-answer.ts';
import { errorInResponse } from './error.ts';
import { type ApiResponse, apiResponse } from './responses-api.ts';
import { usageFromResponses } from './usage.ts';

/** Statuses of an answer that is over. */
const FINAL: readonly (string | null | undefined)[] = ['completed', 'incomplete'];

/** Notes the facts of a whole answer. Throws the error it holds, or `provider_bad_response`. */
export function noteWholeResponse(value: unknown, record: AnswerRecord): void {
  const response = readResponse(value);
  noteEnd(response, record);
  record.outputCharacters += charactersOf(response);
  const error = errorInResponse(value);
  if (error !== undefined) throw error;
  if (response.output == null) throw badAnswer('the response has no output');
}

export function readResponse(value: unknown): ApiResponse {
  const result = apiResponse.safeParse(value);
  if (!result.success) throw badAnswer('the response has an unknown shape');
  return result.data;
}

/** Notes what a response says when it is over, in whatever way. */
export function noteEnd(response: ApiResponse, record: AnswerRecord): void {
  record.name(response.id, response.model);
  record.count(usageFromResponses(response.usage));
  if (FINAL.includes(response.status)) record.finish(0, finishReasonOf(response));
}

function finishReasonOf({ status, incomplete_details: details, output }: ApiResponse): string {
  if (status === 'incomplete') {
    return details?.reason === 'content_filter' ? 'content_filter' : 'length';
  }
  const isCall = output?.some(({ type }) => type?.endsWith('_call') && CLIENT_CALLS.has(type));
  return isCall ? 'tool_calls' : 'stop';
}

/** Calls that the client answers; the others OpenAI has answered itself. */
const CLIENT_CALLS = new Set([
  'function_call',
  'custom_tool_call',
  'computer_call',
  'local_shell_call',
  'shell_call',
  'apply_patch_call',
]);

function charactersOf({ output }: ApiResponse): number {
  let sum = 0;
  for (const item of output ?? []) {
    for (const part of [...(item.content ?? []), ...(item.summary ?? [])]) {
      sum += (part.text ?? part.refusal ?? '').length;
    }
    sum += (item.arguments ?? item.input ?? '').length;
  }
  return sum;
}
