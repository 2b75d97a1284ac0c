/**
 * Writes the answers of a streamGenerateContent. Each says what is new. Calls are whole in this
 * dialect, so that pieces of arguments wait for the end; the finish reasons wait for the usage, which
 * Google's clients read from the last answer.
 */
import type { AnswerRecord } from '../answer-record.ts';
import type { AnswerWriter, StreamHead } from '../answer-writer.ts';
import type { FinishReason, ToolCallAnswer } from '../chat/chat-answer.ts';
import type { Citation } from '../chat/citation.ts';
import type { ReasoningDetail, ReasoningFormat } from '../chat/reasoning-details.ts';
import type { JsonObject } from '../json/read-json.ts';
import { endOfCandidate, partsOfCall } from './candidate-from-chat.ts';
import type { StreamFraming } from './stream-framing.ts';
import { signatureOfDetail } from './thought-signature.ts';
import { usageToGemini } from './usage.ts';

interface OpenCandidate {
  readonly calls: { readonly call: ToolCallAnswer; text: string }[];
  readonly citations: Citation[];
  reason: FinishReason | undefined;
}

export class CandidateWriter implements AnswerWriter {
  readonly record: AnswerRecord;
  readonly #head: StreamHead;
  readonly #framing: StreamFraming;
  readonly #candidates = new Map<number, OpenCandidate>();
  #text = '';
  #ended = false;

  constructor(record: AnswerRecord, head: StreamHead, framing: StreamFraming) {
    this.record = record;
    this.#head = head;
    this.#framing = framing;
  }

  take(): Uint8Array {
    const bytes = new TextEncoder().encode(this.#text);
    this.#text = '';
    return bytes;
  }

  open(choice: number): void {
    this.#open(choice);
  }

  text(choice: number, text: string): void {
    this.#say(choice, text, { text });
  }

  reasoning(choice: number, text: string): void {
    this.#say(choice, text, { text, thought: true });
  }

  reasoningSignature(choice: number, signature: string, format: ReasoningFormat): void {
    this.#detail(choice, { type: 'reasoning.text', text: '', signature, format });
  }

  encryptedReasoning(choice: number, data: string, format: ReasoningFormat, id?: string): void {
    const named = id === undefined ? {} : { id };
    this.#detail(choice, { type: 'reasoning.encrypted', data, format, ...named });
  }

  citation(choice: number, citation: Citation): void {
    this.#open(choice).citations.push(citation);
  }

  /** Google has no refusal apart: it is text of the model. */
  refusal(choice: number, text: string): void {
    this.text(choice, text);
  }

  toolCall(choice: number, call: ToolCallAnswer): number {
    const text = call.function.arguments;
    this.record.outputCharacters += text.length;
    return this.#open(choice).calls.push({ call, text }) - 1;
  }

  toolArguments(choice: number, index: number, text: string): void {
    const open = this.#open(choice).calls[index];
    if (open === undefined) return;
    this.record.outputCharacters += text.length;
    open.text += text;
  }

  hasToolCalls(choice: number): boolean {
    return (this.#candidates.get(choice)?.calls.length ?? 0) > 0;
  }

  finish(choice: number, reason: FinishReason): void {
    this.#open(choice).reason = reason;
    this.record.finish(choice, reason);
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    const candidates = [...this.#candidates].map(([index, candidate]) => {
      const { calls, citations, reason = 'stop' } = candidate;
      const parts = calls.flatMap(({ call, text }) =>
        partsOfCall({ ...call, function: { ...call.function, arguments: text } }, reason),
      );
      return {
        content: { parts: parts.length === 0 ? [{ text: '' }] : parts, role: 'model' },
        ...endOfCandidate(reason, citations),
        index,
      };
    });
    this.#write(candidates);
    this.#text += this.#framing.close();
  }

  #open(choice: number): OpenCandidate {
    const present = this.#candidates.get(choice);
    if (present !== undefined) return present;
    const opened: OpenCandidate = { calls: [], citations: [], reason: undefined };
    this.#candidates.set(choice, opened);
    this.record.see(choice);
    return opened;
  }

  #say(choice: number, text: string, part: JsonObject): void {
    if (text === '') return;
    this.record.outputCharacters += text.length;
    this.#part(choice, part);
  }

  /** The text that a signature proves has gone out before it. */
  #detail(choice: number, detail: ReasoningDetail): void {
    const thoughtSignature = signatureOfDetail(detail);
    this.#part(choice, { text: '', thought: true, thoughtSignature });
  }

  #part(choice: number, part: JsonObject): void {
    this.#open(choice);
    this.#write([{ content: { parts: [part], role: 'model' }, index: choice }]);
  }

  #write(candidates: readonly JsonObject[]): void {
    const { usage, responseModel, responseId } = this.record;
    const answer = {
      candidates,
      ...(usage !== undefined && { usageMetadata: usageToGemini(usage) }),
      modelVersion: responseModel ?? this.#head.model,
      responseId: responseId ?? this.#head.id,
    };
    this.#text += this.#framing.element(JSON.stringify(answer));
  }
}
