/** A client's dialect as seen from chat completions: one folder each. */
import type { AnswerRecord } from './answer-record.ts';
import type { AnswerWriter, StreamHead } from './answer-writer.ts';
import type { WholeAnswer } from './chat/chat-answer.ts';
import type { ChatRequest } from './chat/chat-request.ts';

export interface ClientTranslator {
  /** Prefix of the ids that are made up where the provider names none, for example `chatcmpl-`. */
  readonly idPrefix: string;
  /** Media type of a streamed answer where that is no event stream. */
  readonly streamType?: string;
  /**
   * The request as a chat completion. The body was checked by the dialect's own parser before. Throws
   * `invalid_request`, naming the field, for what chat completions cannot say.
   */
  request(body: unknown): ChatRequest;
  /** The client's body for a whole answer; notes its facts. */
  answer(answer: WholeAnswer, record: AnswerRecord, createdSeconds: number): Uint8Array;
  writer(record: AnswerRecord, head: StreamHead): AnswerWriter;
}
