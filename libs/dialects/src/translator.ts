import type { GatewayError } from '@gateway/protocol';
import type { AnswerRecord } from './answer-record.ts';
import type { AnswerWriter } from './answer-writer.ts';
import type { WholeAnswer } from './chat/chat-answer.ts';
import type { ChatRequest } from './chat/chat-request.ts';
import type { HubDialect } from './exchange.ts';
import type { JsonObject } from './json/read-json.ts';
import type { SaidError } from './provider-error.ts';

export interface TranslatedRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: JsonObject;
}

/** Where an answer is noted, and what stands in for what the provider leaves out. */
export interface AnswerContext {
  readonly record: AnswerRecord;
  readonly fallbackId: string;
  readonly model: string;
  /** The client wants at most one tool call in an answer; for dialects that cannot ask for that. */
  readonly oneToolCall: boolean;
}

/** Reads a provider's events into a AnswerWriter. Made for one stream. */
export interface EventReader {
  /** One event's data. Throws the error that the provider says, or `provider_bad_response`. */
  event(value: unknown): void;
  /** The mark `[DONE]`, which comes behind the last event in dialects that have it. */
  done?(): void;
  /** After the last event of a complete answer, once: writes what waited for it. */
  end(): void;
  /** True once the provider has said that the answer is complete. */
  readonly complete: boolean;
}

/** A provider's dialect as seen from chat completions: one folder each. */
export interface Translator {
  readonly target: HubDialect;
  /** Throws `invalid_request` for what the provider cannot be asked, naming the field. */
  request(request: ChatRequest, model: string, stream: boolean): TranslatedRequest;
  answer(value: unknown, context: AnswerContext): WholeAnswer;
  events(writer: AnswerWriter, context: AnswerContext): EventReader;
  saidInError(value: unknown): SaidError;
  errorInAnswer(value: unknown): GatewayError | undefined;
}
