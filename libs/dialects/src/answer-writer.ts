/**
 * Writes a streamed answer in the client's dialect. A provider's event reader says what happens, in the
 * order it happens; the shape of the client's events and the facts of the answer are kept here.
 */
import type { AnswerRecord } from './answer-record.ts';
import type { FinishReason, ToolCallAnswer } from './chat/chat-answer.ts';
import type { Citation } from './chat/citation.ts';
import type { ReasoningFormat } from './chat/reasoning-details.ts';

/** What stands in a stream before the provider has named its answer. */
export interface StreamHead {
  /** Used until the provider names its answer. */
  readonly id: string;
  readonly model: string;
  readonly createdSeconds: number;
  readonly includeUsage: boolean;
}

export interface AnswerWriter {
  readonly record: AnswerRecord;
  /** What was written since the last time, in whole events. */
  take(): Uint8Array;
  /** Begins a choice; everything that says something begins it, too. */
  open(choice: number): void;
  text(choice: number, text: string): void;
  reasoning(choice: number, text: string): void;
  /**
   * What proves the reasoning since the last signature to the provider when both are sent back in a
   * later turn.
   */
  reasoningSignature(choice: number, signature: string, format: ReasoningFormat): void;
  /** Reasoning that only the provider can read, to be sent back as it is. */
  encryptedReasoning(choice: number, data: string, format: ReasoningFormat, id?: string): void;
  /** A source of the text so far. */
  citation(choice: number, citation: Citation): void;
  refusal(choice: number, text: string): void;
  /** Begins a call, with all of its arguments or none of them; returns its index in the message. */
  toolCall(choice: number, call: ToolCallAnswer): number;
  toolArguments(choice: number, index: number, text: string): void;
  hasToolCalls(choice: number): boolean;
  /** `stopSequence` is the client's own that ended the answer, where the provider tells. */
  finish(choice: number, reason: FinishReason, stopSequence?: string): void;
  /** After the last event of a complete answer. A second call writes nothing. */
  end(): void;
}
