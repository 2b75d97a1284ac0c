/**
 * The chunks of a server of chat completions, read into another dialect.
 *
 * A finish reason completes a choice, but usage may come on a later chunk: the client is told the
 * reason at the end. Tool calls come whole or in pieces; a piece belongs to the call of its index,
 * unless it names another id, since some servers give every call the index 0.
 */
import type { AnswerWriter } from '../answer-writer.ts';
import type { AnswerContext, EventReader } from '../translator.ts';
import type { ChatAnswer, Spoken } from './chat-answer.ts';
import { citationsFromChat } from './citation.ts';
import { readChatAnswer } from './read-answer.ts';
import { readReasoningDetails } from './reasoning-details.ts';
import { finishReasonFromChat, spokenText, stopSequenceOf } from './spoken.ts';
import { usageFromChat } from './usage.ts';

interface OpenCall {
  readonly id: string;
  /** The client's index, once the call has its name and was begun. */
  index: number | undefined;
  name: string;
  hasArguments: boolean;
}

interface OpenChoice {
  readonly calls: Map<string, OpenCall>;
  reason: string | undefined;
  stopSequence: string | undefined;
}

type ApiChoice = NonNullable<ChatAnswer['choices']>[number];
type Piece = NonNullable<Spoken['tool_calls']>[number];

export class ChunkReader implements EventReader {
  readonly #writer: AnswerWriter;
  readonly #context: AnswerContext;
  readonly #choices = new Map<number, OpenChoice>();
  #done = false;
  #callsSeen = 0;

  constructor(writer: AnswerWriter, context: AnswerContext) {
    this.#writer = writer;
    this.#context = context;
  }

  get complete(): boolean {
    const choices = [...this.#choices.values()];
    if (this.#done) return true;
    return choices.length > 0 && choices.every(({ reason }) => reason !== undefined);
  }

  event(value: unknown): void {
    const chunk = readChatAnswer(value);
    const { record } = this.#writer;
    record.name(chunk.id, chunk.model);
    record.count(usageFromChat(chunk.usage) ?? usageFromChat(chunk.x_groq?.usage));
    for (const [position, choice] of (chunk.choices ?? []).entries()) {
      this.#choice(choice, choice.index ?? position);
    }
  }

  done(): void {
    this.#done = true;
  }

  end(): void {
    if (this.#choices.size === 0) this.#open(0);
    for (const [choice, { calls, reason = '', stopSequence }] of this.#choices) {
      for (const call of calls.values()) this.#closeCall(choice, call);
      const finish = finishReasonFromChat(reason, this.#writer.hasToolCalls(choice));
      this.#writer.finish(choice, finish, stopSequence);
    }
  }

  #open(choice: number): OpenChoice {
    const present = this.#choices.get(choice);
    if (present !== undefined) return present;
    const open = { calls: new Map(), reason: undefined, stopSequence: undefined };
    this.#choices.set(choice, open);
    this.#writer.open(choice);
    return open;
  }

  #choice(said: ApiChoice, choice: number): void {
    const open = this.#open(choice);
    const delta = said.delta ?? said.message;
    if (delta) this.#delta(delta, choice, open);
    // A failure is told at once: nothing good can come behind it.
    if (said.finish_reason) finishReasonFromChat(said.finish_reason, false);
    open.reason = said.finish_reason || open.reason;
    open.stopSequence = stopSequenceOf(said.stop_reason) ?? open.stopSequence;
  }

  #delta(delta: Spoken, choice: number, open: OpenChoice): void {
    const writer = this.#writer;
    const { text, reasoning } = spokenText(delta);
    writer.reasoning(choice, reasoning);
    for (const detail of readReasoningDetails(delta.reasoning_details)) {
      if (detail.type === 'reasoning.text') {
        writer.reasoningSignature(choice, detail.signature, detail.format);
      } else {
        writer.encryptedReasoning(choice, detail.data, detail.format, detail.id);
      }
    }
    writer.text(choice, text);
    for (const citation of citationsFromChat(delta.annotations)) writer.citation(choice, citation);
    writer.refusal(choice, delta.refusal ?? '');
    for (const [position, piece] of (delta.tool_calls ?? []).entries()) {
      this.#piece(piece, `${piece.index ?? position}`, choice, open);
    }
    if (delta.function_call) {
      const piece = { index: null, id: null, function: delta.function_call };
      this.#piece(piece, 'function_call', choice, open);
    }
  }

  #piece(piece: Piece, key: string, choice: number, { calls }: OpenChoice): void {
    let call = calls.get(key);
    if (call === undefined || (piece.id && call.index !== undefined && piece.id !== call.id)) {
      if (call !== undefined) this.#closeCall(choice, call);
      const id = piece.id || `${this.#context.fallbackId}-${this.#callsSeen}`;
      this.#callsSeen += 1;
      call = { id, index: undefined, name: '', hasArguments: false };
      calls.set(key, call);
    }
    const { name, arguments: text } = piece.function ?? {};
    if (call.index === undefined) {
      call.name += name ?? '';
      if (call.name === '') return;
      const extra = piece.extra_content;
      call.index = this.#writer.toolCall(choice, {
        id: call.id,
        type: 'function',
        function: { name: call.name, arguments: '' },
        ...(extra !== undefined && { extra_content: extra }),
      });
    }
    if (!text) return;
    call.hasArguments = true;
    this.#writer.toolArguments(choice, call.index, text);
  }

  /** A tool without arguments: clients parse the text, and an empty one is no JSON. */
  #closeCall(choice: number, call: OpenCall): void {
    if (call.index === undefined || call.hasArguments) return;
    call.hasArguments = true;
    this.#writer.toolArguments(choice, call.index, '{}');
  }
}
