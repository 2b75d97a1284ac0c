/**
 * Writes the chunks of a streamed chat completion.
 *
 * Per choice: a chunk with the role first, deltas, one chunk with the finish reason. After the last
 * choice: the usage chunk when the client asked for one, then `[DONE]`.
 */
import type { AnswerRecord } from '../answer-record.ts';
import type { AnswerWriter, StreamHead } from '../answer-writer.ts';
import type { JsonObject } from '../json/read-json.ts';
import { joinBytes } from '../json/splice-members.ts';
import { DONE, encodeEvent } from '../sse/encode-event.ts';
import type { FinishReason, ToolCallAnswer } from './chat-answer.ts';
import { type Citation, citationToChat } from './citation.ts';
import type { ReasoningDetail, ReasoningFormat } from './reasoning-details.ts';
import { usageToChat } from './usage.ts';

export class ChunkWriter implements AnswerWriter {
  readonly record: AnswerRecord;
  readonly #head: StreamHead;
  readonly #opened = new Set<number>();
  readonly #toolCalls = new Map<number, number>();
  /** Reasoning since the last signature, per choice. */
  readonly #unsigned = new Map<number, string>();
  readonly #detailsSeen = new Map<number, number>();
  #pieces: Uint8Array[] = [];
  #ended = false;

  constructor(record: AnswerRecord, head: StreamHead) {
    this.record = record;
    this.#head = head;
  }

  take(): Uint8Array {
    const bytes = joinBytes(this.#pieces);
    this.#pieces = [];
    return bytes;
  }

  open(choice: number): void {
    if (this.#opened.has(choice)) return;
    this.#opened.add(choice);
    this.record.see(choice);
    this.#delta(choice, { role: 'assistant', content: '', refusal: null });
  }

  text(choice: number, content: string): void {
    this.#say(choice, content, { content });
  }

  reasoning(choice: number, text: string): void {
    this.#unsigned.set(choice, (this.#unsigned.get(choice) ?? '') + text);
    this.#say(choice, text, { reasoning_content: text });
  }

  /** The thought comes whole with its signature, so that a client has nothing to put together. */
  reasoningSignature(choice: number, signature: string, format: ReasoningFormat): void {
    const text = this.#unsigned.get(choice) ?? '';
    this.#unsigned.delete(choice);
    this.#reasoningDetail(choice, { type: 'reasoning.text', text, signature, format });
  }

  encryptedReasoning(choice: number, data: string, format: ReasoningFormat, id?: string): void {
    this.#reasoningDetail(choice, {
      type: 'reasoning.encrypted',
      data,
      format,
      ...(id !== undefined && { id }),
    });
  }

  citation(choice: number, citation: Citation): void {
    this.open(choice);
    this.#delta(choice, { annotations: [citationToChat(citation)] });
  }

  refusal(choice: number, refusal: string): void {
    this.#say(choice, refusal, { refusal });
  }

  toolCall(choice: number, call: ToolCallAnswer): number {
    this.open(choice);
    const index = this.#toolCalls.get(choice) ?? 0;
    this.#toolCalls.set(choice, index + 1);
    this.record.outputCharacters += call.function.arguments.length;
    this.#delta(choice, { tool_calls: [{ index, ...call }] });
    return index;
  }

  toolArguments(choice: number, index: number, text: string): void {
    const delta = { tool_calls: [{ index, function: { arguments: text } }] };
    this.#say(choice, text, delta);
  }

  hasToolCalls(choice: number): boolean {
    return this.#toolCalls.has(choice);
  }

  finish(choice: number, reason: FinishReason): void {
    this.open(choice);
    this.record.finish(choice, reason);
    this.#chunk([{ index: choice, delta: {}, logprobs: null, finish_reason: reason }]);
  }

  /** Usage and `[DONE]`. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const { usage } = this.record;
    if (this.#head.includeUsage && usage !== undefined) {
      this.#chunk([], { usage: usageToChat(usage) });
    }
    this.#pieces.push(encodeEvent(DONE));
  }

  #say(choice: number, text: string, delta: JsonObject): void {
    if (text === '') return;
    this.open(choice);
    this.record.outputCharacters += text.length;
    this.#delta(choice, delta);
  }

  #reasoningDetail(choice: number, detail: ReasoningDetail): void {
    this.open(choice);
    const index = this.#detailsSeen.get(choice) ?? 0;
    this.#detailsSeen.set(choice, index + 1);
    this.#delta(choice, { reasoning_details: [{ ...detail, index }] });
  }

  #delta(choice: number, delta: JsonObject): void {
    this.#chunk([{ index: choice, delta, logprobs: null, finish_reason: null }]);
  }

  #chunk(choices: readonly JsonObject[], more: JsonObject = {}): void {
    const { id, model, createdSeconds, includeUsage } = this.#head;
    const chunk = {
      id: this.record.responseId ?? id,
      object: 'chat.completion.chunk',
      created: createdSeconds,
      model: this.record.responseModel ?? model,
      choices,
      ...(includeUsage && { usage: null }),
      ...more,
    };
    this.#pieces.push(encodeEvent(JSON.stringify(chunk)));
  }
}
