import type { IncomingHttpHeaders } from 'node:http';
import type { JsonObject } from '../json-value.ts';
import type { Answer } from './answer.ts';
import type { Conversation } from './conversation.ts';

export type VendorName = 'openai' | 'anthropic' | 'google';

export interface ErrorReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface ErrorFacts {
  readonly status: number;
  readonly message?: string | undefined;
  readonly parameter?: string | null | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

/** One event of a stream, framed as the vendor frames it. */
export interface StreamEvent {
  readonly wire: string;
  /** Whether this event tells the final usage. */
  readonly hasUsage?: boolean;
}

export interface AnswerContext {
  readonly conversation: Conversation;
  readonly answer: Answer;
  /** Unique for each answer. */
  readonly id: string;
  readonly withUsage: boolean;
  readonly operation: GenerateOperation;
  /** The body of the request. */
  readonly request: JsonObject;
}

/** An answer of the model; `api` where the vendor has a second way to ask for one. */
export interface GenerateOperation {
  readonly kind: 'generate';
  readonly model?: string;
  readonly stream?: boolean;
  readonly api?: 'responses';
}

/** What a path asks for. `model` is the one in the path, where the vendor has it there. */
export type Operation =
  | GenerateOperation
  | KeptOperation
  | { readonly kind: 'models' }
  | { readonly kind: 'embeddings'; readonly model?: string; readonly batch?: boolean }
  | { readonly kind: 'count-tokens'; readonly model?: string };

/** What is asked of an answer that the vendor has kept. */
export interface KeptOperation {
  readonly kind: 'kept';
  readonly id: string;
  readonly action: 'get' | 'delete' | 'input-items';
}

/** What is answered to a request that has no conversation. */
export interface PlainReply {
  readonly model: string;
  readonly reply: JsonObject;
  /** Tokens that are paid for. */
  readonly inputTokens: number;
}

/** One vendor's side of the wire. */
export interface Vendor {
  readonly name: VendorName;
  readonly toolCallIdPrefix: string;
  /** The key of a request, from where the vendor looks for it. */
  keyOf(headers: IncomingHttpHeaders, url: URL): string | undefined;
  operationOf(method: string, path: string, url: URL): Operation | undefined;
  /** What is wrong with the headers, as the real one says it. */
  checkHeaders(headers: IncomingHttpHeaders): string | undefined;
  /** Throws `InvalidRequestError`. */
  parse(body: JsonObject, operation: GenerateOperation): Conversation;
  /** Undefined when nothing is kept under the id. */
  kept?(operation: KeptOperation): JsonObject | undefined;
  /** Answers a request for embeddings. Throws `InvalidRequestError`. */
  embed?(body: JsonObject, operation: Operation & { kind: 'embeddings' }): PlainReply;
  /** Answers how many tokens a prompt has. Throws `InvalidRequestError`. */
  countTokens?(body: JsonObject, operation: Operation & { kind: 'count-tokens' }): PlainReply;
  /** `keyRefused` is the answer to a wrong key. */
  error(facts: ErrorFacts): ErrorReply;
  keyRefused(given: string | undefined): ErrorReply;
  modelList(): JsonObject;
  /** The answer in one piece. */
  body(context: AnswerContext): JsonObject;
  /** The answer as a stream. */
  events(context: AnswerContext): StreamEvent[];
  streamError(context: AnswerContext): StreamEvent;
  /** Framing of one event with a payload that may be broken. */
  frame(payload: string): string;
  answerHeaders(id: string): Readonly<Record<string, string>>;
}
