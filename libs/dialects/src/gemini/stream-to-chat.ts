/**
 * Google's stream as chunks. Each event is an answer of its own with what is new, and the whole
 * stream may be one event. A candidate's finish reason is its end; usage may still come behind it.
 */
import type { ChunkWriter } from '../chat/write-stream.ts';
import type { AnswerContext, EventReader } from '../translator.ts';
import { finishReasonFromGemini } from './finish-reason.ts';
import type { ApiCandidate, ApiPart, ApiUsage } from './gemini-api.ts';
import { readGeminiAnswer } from './response-to-chat.ts';
import { toolCallFromGemini } from './tool-call.ts';
import { usageFromGemini } from './usage.ts';

export class GeminiEventReader implements EventReader {
  readonly #writer: ChunkWriter;
  readonly #context: AnswerContext;
  readonly #finished = new Set<number>();
  #usage: ApiUsage = {};
  #callsSeen = 0;

  constructor(writer: ChunkWriter, context: AnswerContext) {
    this.#writer = writer;
    this.#context = context;
  }

  get complete(): boolean {
    return this.#writer.record.everyChoiceFinished;
  }

  event(value: unknown): void {
    const answer = readGeminiAnswer(value);
    const { record } = this.#writer;
    record.name(answer.responseId, answer.modelVersion);
    if (answer.usageMetadata) {
      this.#usage = { ...this.#usage, ...answer.usageMetadata };
      record.count(usageFromGemini(this.#usage));
    }
    const candidates = answer.candidates ?? [];
    for (const [position, candidate] of candidates.entries()) {
      this.#candidate(candidate, candidate.index ?? position);
    }
    if (candidates.length === 0 && answer.promptFeedback?.blockReason) this.#finish(0, 'SAFETY');
  }

  #candidate(candidate: ApiCandidate, choice: number): void {
    if (this.#finished.has(choice)) return;
    this.#writer.open(choice);
    for (const part of candidate.content?.parts ?? []) this.#part(part, choice);
    if (candidate.finishReason) this.#finish(choice, candidate.finishReason);
  }

  #part(part: ApiPart, choice: number): void {
    if (part.functionCall != null) {
      if (this.#context.oneToolCall && this.#writer.hasToolCalls(choice)) return;
      this.#writer.toolCall(choice, toolCallFromGemini(part, this.#callsSeen, this.#context));
      this.#callsSeen += 1;
    } else if (part.thought === true) {
      this.#writer.reasoning(choice, part.text ?? '');
    } else {
      this.#writer.text(choice, part.text ?? '');
    }
  }

  #finish(choice: number, reason: string): void {
    if (this.#finished.has(choice)) return;
    this.#finished.add(choice);
    this.#writer.finish(choice, finishReasonFromGemini(reason, this.#writer.hasToolCalls(choice)));
  }
}
