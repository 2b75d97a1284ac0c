import type { ClientTranslator } from '../client-translator.ts';
import { geminiRequestToChat } from './request-to-chat.ts';
import { geminiAnswerFromChat } from './response-from-chat.ts';
import { arrayFraming, eventFraming, type StreamFraming } from './stream-framing.ts';
import { CandidateWriter } from './stream-from-chat.ts';

function clientWith(framing: () => StreamFraming): ClientTranslator {
  return {
    idPrefix: '',
    streamType: framing().contentType,
    request: geminiRequestToChat,
    answer: geminiAnswerFromChat,
    writer: (record, head) => new CandidateWriter(record, head, framing()),
  };
}

/** A client that asked with `alt=sse`. */
export const geminiClient: ClientTranslator = clientWith(eventFraming);

/** A client that asked without it, and gets its stream as a JSON array. */
export const geminiArrayClient: ClientTranslator = clientWith(arrayFraming);
