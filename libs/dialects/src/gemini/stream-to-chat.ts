/**
 * Google's stream as chunks. Each event is an answer of its own with what is new, and the whole
 * stream may be one event. A finish reason completes a candidate, but usage may come behind it and,
 * when Google ran a tool in between, even text: the client is told the reason at the end of the
 * stream.
 */
import type { AnswerWriter } from '../answer-writer.ts';
import type { AnswerContext, EventReader } from '../translator.ts';
import { checkFinish, finishReasonFromGemini } from './finish-reason.ts';
import type { ApiCandidate, ApiPart, ApiUsage } from './gemini-api.ts';
import { readGeminiAnswer } from './response-to-chat.ts';
import { toolCallFromGemini } from './tool-call.ts';
import { usageFromGemini } from './usage.ts';

export class GeminiEventReader implements EventReader {
  readonly #writer: AnswerWriter;
  readonly #context: AnswerContext;
  readonly #reasons = new Map<number, string | undefined>();
  #usage: ApiUsage = {};
  #callsSeen = 0;

  constructor(writer: AnswerWriter, context: AnswerContext) {
    this.#writer = writer;
    this.#context = context;
  }

  get complete(): boolean {
    const reasons = [...this.#reasons.values()];
    return reasons.length > 0 && !reasons.includes(undefined);
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
    if (candidates.length === 0 && answer.promptFeedback?.blockReason) {
      this.#reasons.set(0, 'SAFETY');
    }
  }

  end(): void {
    for (const [choice, reason = 'STOP'] of this.#reasons) {
      const hasToolCalls = this.#writer.hasToolCalls(choice);
      this.#writer.finish(choice, finishReasonFromGemini(reason, hasToolCalls));
    }
  }

  #candidate({ content, finishReason }: ApiCandidate, choice: number): void {
    this.#writer.open(choice);
    for (const part of content?.parts ?? []) this.#part(part, choice);
    const reason = finishReason ?? this.#reasons.get(choice);
    if (reason !== undefined) checkFinish(reason);
    this.#reasons.set(choice, reason);
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
}
