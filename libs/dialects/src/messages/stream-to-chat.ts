/**
 * Anthropic's stream as chunks. A message is blocks, each with a start, deltas and a stop; the stop
 * reason and the final usage come in `message_delta`, and only `message_stop` makes it complete.
 */

import type { AnswerWriter } from '../answer-writer.ts';
import { badAnswer } from '../chat/read-answer.ts';
import { isObject } from '../json/read-json.ts';
import type { AnswerContext, EventReader } from '../translator.ts';
import { citationOf } from './citation.ts';
import { type ApiEvent, type ApiUsage, apiEvent } from './messages-api.ts';
import { finishReasonFromMessages } from './stop-reason.ts';
import { mergeUsage, usageFromMessages } from './usage.ts';

interface OpenCall {
  /** Of the call in the client's message. */
  readonly index: number;
  /** The whole input, when the block already began with it. */
  readonly input: string;
  hasArguments: boolean;
}

export class MessagesEventReader implements EventReader {
  readonly #writer: AnswerWriter;
  readonly #context: AnswerContext;
  readonly #calls = new Map<number, OpenCall>();
  #usage: ApiUsage | undefined;
  #stopReason: string | undefined;
  complete = false;

  constructor(writer: AnswerWriter, context: AnswerContext) {
    this.#writer = writer;
    this.#context = context;
  }

  event(value: unknown): void {
    const result = apiEvent.safeParse(value);
    if (!result.success) throw badAnswer('an event of the stream has an unknown shape');
    const event = result.data;
    if (this.complete) return;
    // Anything else is a ping, or an event that a later version of the API adds.
    if (event.type === 'message_start') this.#start(event);
    else if (event.type === 'content_block_start') this.#startBlock(event);
    else if (event.type === 'content_block_delta') this.#delta(event);
    else if (event.type === 'content_block_stop') this.#stopBlock(event.index ?? 0);
    else if (event.type === 'message_delta') this.#messageDelta(event);
    else if (event.type === 'message_stop') this.#stop();
  }

  /** Nothing has waited: `message_stop` says that there is no more. */
  end(): void {}

  #start({ message }: ApiEvent): void {
    // A chat completion cannot take back what was said, so that an answer begun anew cannot be
    // told.
    if (this.#usage !== undefined) throw badAnswer('the provider began its answer again');
    this.#writer.record.name(message?.id, message?.model);
    this.#noteUsage(message?.usage ?? {});
    this.#writer.open(0);
  }

  #startBlock({ index, content_block: block }: ApiEvent): void {
    if (block?.type === 'text') this.#writer.text(0, block.text ?? '');
    if (block?.type === 'thinking') this.#writer.reasoning(0, block.thinking ?? '');
    if (block?.type === 'redacted_thinking' && block.data) {
      this.#writer.encryptedReasoning(0, block.data, 'anthropic-claude-v1');
    }
    if (block?.type !== 'tool_use') return;
    const id = block.id ?? `${this.#context.fallbackId}-${index ?? 0}`;
    const call = this.#writer.toolCall(0, {
      id,
      type: 'function',
      function: { name: block.name ?? '', arguments: '' },
    });
    const input = isObject(block.input) ? JSON.stringify(block.input) : '{}';
    this.#calls.set(index ?? 0, { index: call, input, hasArguments: false });
  }

  #delta({ index, delta }: ApiEvent): void {
    if (delta?.type === 'text_delta') this.#writer.text(0, delta.text ?? '');
    if (delta?.type === 'thinking_delta') this.#writer.reasoning(0, delta.thinking ?? '');
    if (delta?.type === 'signature_delta' && delta.signature) {
      this.#writer.reasoningSignature(0, delta.signature, 'anthropic-claude-v1');
    }
    for (const citation of delta?.citation ? citationOf(delta.citation) : []) {
      this.#writer.citation(0, citation);
    }
    if (delta?.type !== 'input_json_delta' || !delta.partial_json) return;
    const call = this.#calls.get(index ?? 0);
    if (call === undefined) return;
    call.hasArguments = true;
    this.#writer.toolArguments(0, call.index, delta.partial_json);
  }

  #stopBlock(index: number): void {
    const call = this.#calls.get(index);
    if (call === undefined || call.hasArguments) return;
    // A tool without arguments: clients parse the text, and an empty one is no JSON.
    call.hasArguments = true;
    this.#writer.toolArguments(0, call.index, call.input);
  }

  #messageDelta({ delta, usage }: ApiEvent): void {
    if (usage) this.#noteUsage(usage);
    if (delta?.stop_reason) this.#stopReason = delta.stop_reason;
    const explanation = delta?.stop_details?.explanation;
    if (this.#stopReason === 'refusal' && explanation) this.#writer.refusal(0, explanation);
  }

  #stop(): void {
    this.#writer.finish(0, finishReasonFromMessages(this.#stopReason));
    this.#writer.end();
    this.complete = true;
  }

  #noteUsage(usage: ApiUsage): void {
    this.#usage = mergeUsage(this.#usage, usage);
    this.#writer.record.count(usageFromMessages(this.#usage));
  }
}
