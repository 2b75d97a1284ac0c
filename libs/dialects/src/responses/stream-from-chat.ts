/**
 * Writes the events of a streamed response.
 *
 * `response.created` and `response.in_progress` first, then each item with its parts and deltas,
 * and one event at the end that holds the whole response. There is one choice: the Responses API
 * knows no others.
 */
import type { AnswerRecord } from '../answer-record.ts';
import type { AnswerWriter, StreamHead } from '../answer-writer.ts';
import type { FinishReason, ToolCallAnswer } from '../chat/chat-answer.ts';
import type { Citation } from '../chat/citation.ts';
import type { ReasoningFormat } from '../chat/reasoning-details.ts';
import type { JsonObject } from '../json/read-json.ts';
import { joinBytes } from '../json/splice-members.ts';
import { encodeTypedEvent } from '../sse/encode-event.ts';
import type { ItemStatus } from './open-item.ts';
import { OutputBuilder, type OutputOptions } from './output-builder.ts';
import { responseObject, statusOf } from './response-object.ts';
import type { ResponsesRequest } from './responses-request.ts';

export type ResponseWriterOptions = Omit<OutputOptions, 'emit' | 'responseId'> & {
  readonly request: ResponsesRequest;
};

export class ResponseEventWriter implements AnswerWriter {
  readonly record: AnswerRecord;
  readonly #head: StreamHead;
  readonly #request: ResponsesRequest;
  readonly #output: OutputBuilder;
  #pieces: Uint8Array[] = [];
  #sequence = 0;
  #reason: FinishReason | undefined;
  #opened = false;
  #ended = false;

  constructor(record: AnswerRecord, head: StreamHead, options: ResponseWriterOptions) {
    this.record = record;
    this.#head = head;
    this.#request = options.request;
    const emit = (type: string, fields: JsonObject) => this.#emit(type, fields);
    this.#output = new OutputBuilder({ ...options, responseId: head.id, emit });
  }

  take(): Uint8Array {
    const bytes = joinBytes(this.#pieces);
    this.#pieces = [];
    return bytes;
  }

  open(choice: number): void {
    if (this.#opened || choice !== 0) return;
    this.#opened = true;
    this.record.see(choice);
    const response = this.#response('in_progress', []);
    this.#emit('response.created', { response });
    this.#emit('response.in_progress', { response });
  }

  text(choice: number, text: string): void {
    if (this.#says(choice, text)) this.#output.text(text);
  }

  reasoning(choice: number, text: string): void {
    if (this.#says(choice, text)) this.#output.reasoning(text);
  }

  reasoningSignature(choice: number, signature: string, format: ReasoningFormat): void {
    if (this.#says(choice, '')) this.#output.signature(signature, format);
  }

  encryptedReasoning(choice: number, data: string, format: ReasoningFormat, id?: string): void {
    const detail = { type: 'reasoning.encrypted', data, format, id } as const;
    if (this.#says(choice, '')) this.#output.detail(detail);
  }

  citation(choice: number, citation: Citation): void {
    if (this.#says(choice, '')) this.#output.citation(citation);
  }

  refusal(choice: number, text: string): void {
    if (this.#says(choice, text)) this.#output.refusal(text);
  }

  toolCall(choice: number, call: ToolCallAnswer): number {
    return this.#says(choice, call.function.arguments) ? this.#output.call(call) : 0;
  }

  toolArguments(choice: number, index: number, text: string): void {
    if (text !== '' && this.#says(choice, text)) this.#output.callArguments(index, text);
  }

  hasToolCalls(choice: number): boolean {
    return choice === 0 && this.#output.callCount > 0;
  }

  finish(choice: number, reason: FinishReason): void {
    if (!this.#says(choice, '')) return;
    this.record.finish(choice, reason);
    this.#reason = reason;
  }

  /** The end of every item, and the whole response with its usage. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.open(0);
    const status = statusOf(this.#reason ?? 'stop');
    const output = this.#output.end(status);
    this.#emit(`response.${status}`, { response: this.#response(status, output) });
  }

  /** Begins the response; false for a choice that it does not have. */
  #says(choice: number, text: string): boolean {
    if (choice !== 0) return false;
    this.open(choice);
    this.record.outputCharacters += text.length;
    return true;
  }

  #response(status: ItemStatus | 'in_progress', output: readonly JsonObject[]): JsonObject {
    const { id, model, createdSeconds } = this.#head;
    return responseObject(this.#request, {
      id,
      model: this.record.responseModel ?? model,
      createdSeconds,
      status,
      output,
      ...(this.#reason !== undefined && { reason: this.#reason }),
      ...(status !== 'in_progress' && { usage: this.record.usage }),
    });
  }

  #emit(type: string, fields: JsonObject): void {
    const sequence_number = this.#sequence;
    this.#sequence += 1;
    this.#pieces.push(encodeTypedEvent(type, { sequence_number, ...fields }));
  }
}
