import type { AnswerRecord } from '../answer-record.ts';
import type { WholeAnswer } from '../chat/chat-answer.ts';
import { charactersOfChoice } from '../chat/write-answer.ts';
import { contentFromChoice } from './content-from-answer.ts';
import { messageId } from './message-id.ts';
import { stopReasonToMessages } from './stop-reason.ts';
import { usageToMessages } from './usage.ts';

/** A message has one choice: its client cannot ask for more. */
export function messageFromChat(answer: WholeAnswer, record: AnswerRecord): Uint8Array {
  record.name(answer.id, answer.model);
  for (const choice of answer.choices) {
    record.finish(choice.index, choice.finishReason);
    record.outputCharacters += charactersOfChoice(choice);
  }
  const [choice] = answer.choices;
  const stopSequence = choice?.stopSequence;
  const isRefusal = choice?.refusal !== undefined;
  const reason = stopReasonToMessages(choice?.finishReason ?? 'stop', isRefusal, stopSequence);
  const message = {
    id: messageId(answer.id),
    type: 'message',
    role: 'assistant',
    model: answer.model,
    content: choice === undefined ? [] : contentFromChoice(choice),
    stop_reason: reason,
    stop_sequence: reason === 'stop_sequence' ? stopSequence : null,
    usage: usageToMessages(record.usage),
  };
  return new TextEncoder().encode(JSON.stringify(message));
}
