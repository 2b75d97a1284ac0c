import type { AnswerRecord } from '../answer-record.ts';
import type { ChoiceAnswer, WholeAnswer } from '../chat/chat-answer.ts';
import { badAnswer } from '../chat/read-answer.ts';
import { charactersOfChoice } from '../chat/write-answer.ts';
import { OutputBuilder } from './output-builder.ts';
import { responseObject, statusOf } from './response-object.ts';
import type { ResponseWriterOptions } from './stream-from-chat.ts';

export interface WholeResponseOptions extends ResponseWriterOptions {
  readonly responseId: string;
  readonly createdSeconds: number;
}

/** The client's body for an answer that came in another dialect: its first choice. */
export function responseFromChat(
  answer: WholeAnswer,
  record: AnswerRecord,
  options: WholeResponseOptions,
): Uint8Array {
  const [choice] = answer.choices;
  if (choice === undefined) throw badAnswer('the answer has no choices');
  record.name(answer.id, answer.model);
  record.finish(0, choice.finishReason);
  record.outputCharacters += charactersOfChoice(choice);
  const { request, responseId: id, createdSeconds } = options;
  const builder = new OutputBuilder({ ...options, emit: () => {} });
  say(choice, builder);
  const status = statusOf(choice.finishReason);
  const response = responseObject(request, {
    id,
    model: answer.model,
    createdSeconds,
    status,
    reason: choice.finishReason,
    output: builder.end(status),
    usage: record.usage,
  });
  return new TextEncoder().encode(JSON.stringify(response));
}

function say(choice: ChoiceAnswer, builder: OutputBuilder): void {
  builder.reasoning(choice.reasoning);
  for (const detail of choice.reasoningDetails ?? []) builder.detail(detail);
  builder.text(choice.text);
  for (const citation of choice.citations ?? []) builder.citation(citation);
  builder.refusal(choice.refusal ?? '');
  for (const call of choice.toolCalls) builder.call(call);
}
