/**
 * Writes the events of a streamed message.
 *
 * `message_start`, then block after block with its start, deltas and stop, then `message_delta` with
 * stop reason and usage, and `message_stop`. Blocks never overlap. A call whose input is not whole
 * when the next one begins lets the others wait: what belongs to it could not be said any more.
 */
import type { AnswerRecord } from '../answer-record.ts';
import type { AnswerWriter, StreamHead } from '../answer-writer.ts';
import type { FinishReason, ToolCallAnswer } from '../chat/chat-answer.ts';
import type { Citation } from '../chat/citation.ts';
import { badAnswer } from '../chat/read-answer.ts';
import type { ReasoningFormat } from '../chat/reasoning-details.ts';
import { type JsonObject, readJson } from '../json/read-json.ts';
import { joinBytes } from '../json/splice-members.ts';
import { encodeTypedEvent } from '../sse/encode-event.ts';
import { citationToMessages, toolUseStart } from './content-from-answer.ts';
import { writeOwned } from './foreign-reasoning.ts';
import { messageId } from './message-id.ts';
import { stopReasonToMessages } from './stop-reason.ts';
import { usageToMessages } from './usage.ts';

interface Call {
  readonly start: JsonObject;
  input: string;
  state: 'waiting' | 'open' | 'closed';
}

interface Finish {
  readonly reason: FinishReason;
  readonly stopSequence: string | undefined;
}

export class MessageWriter implements AnswerWriter {
  readonly record: AnswerRecord;
  readonly #head: StreamHead;
  readonly #calls: Call[] = [];
  #pieces: Uint8Array[] = [];
  #started = false;
  #ended = false;
  /** The kind of the block that is open, and the index of it or of the next one. */
  #block: 'text' | 'thinking' | 'tool_use' | undefined;
  #index = 0;
  #refused = false;
  #finish: Finish | undefined;

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
    this.record.see(choice);
    if (this.#started) return;
    this.#started = true;
    const message = {
      id: messageId(this.record.responseId ?? this.#head.id),
      type: 'message',
      role: 'assistant',
      model: this.record.responseModel ?? this.#head.model,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: usageToMessages(this.record.usage),
    };
    this.#event('message_start', { message });
    this.#event('ping', {});
  }

  text(choice: number, text: string): void {
    if (!this.#says(choice, text)) return;
    this.#enter('text', { type: 'text', text: '' });
    this.#delta({ type: 'text_delta', text });
  }

  reasoning(choice: number, thinking: string): void {
    if (!this.#says(choice, thinking)) return;
    this.#enterThinking();
    this.#delta({ type: 'thinking_delta', thinking });
  }

  reasoningSignature(choice: number, signature: string, format: ReasoningFormat): void {
    if (!this.#isFirst(choice)) return;
    this.#enterThinking();
    this.#delta({ type: 'signature_delta', signature: writeOwned({ format, text: signature }) });
    this.#leave();
  }

  encryptedReasoning(choice: number, data: string, format: ReasoningFormat, id?: string): void {
    if (!this.#isFirst(choice)) return;
    this.#leaveCalls();
    this.#leave();
    const content_block = {
      type: 'redacted_thinking',
      data: writeOwned({ format, id, text: data }),
    };
    this.#event('content_block_start', { index: this.#index, content_block });
    this.#event('content_block_stop', { index: this.#index });
    this.#index += 1;
  }

  citation(choice: number, citation: Citation): void {
    if (!this.#isFirst(choice)) return;
    this.#enter('text', { type: 'text', text: '' });
    this.#delta({ type: 'citations_delta', citation: citationToMessages(citation) });
  }

  refusal(choice: number, text: string): void {
    if (text === '') return;
    this.#refused = true;
    this.text(choice, text);
  }

  toolCall(choice: number, call: ToolCallAnswer): number {
    const text = call.function.arguments;
    if (!this.#isFirst(choice)) return this.#calls.length;
    this.#calls.push({ start: toolUseStart(call), input: '', state: 'waiting' });
    const index = this.#calls.length - 1;
    this.#advance();
    this.toolArguments(choice, index, text);
    return index;
  }

  toolArguments(choice: number, index: number, text: string): void {
    const call = this.#calls[index];
    if (call === undefined || !this.#says(choice, text)) return;
    if (call.state === 'closed') throw badAnswer('a piece of a tool call came too late');
    call.input += text;
    if (call.state === 'open') this.#inputDelta(text);
  }

  hasToolCalls(choice: number): boolean {
    return choice === 0 && this.#calls.length > 0;
  }

  finish(choice: number, reason: FinishReason, stopSequence?: string): void {
    this.open(choice);
    this.record.finish(choice, reason);
    if (this.#isFirst(choice)) this.#finish = { reason, stopSequence };
  }

  /** What waited, the stop reason and the usage, which may have come behind it. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.open(0);
    this.#leaveCalls();
    this.#leave();
    const { reason = 'stop', stopSequence } = this.#finish ?? {};
    const stopReason = stopReasonToMessages(reason, this.#refused, stopSequence);
    this.#event('message_delta', {
      delta: {
        stop_reason: stopReason,
        stop_sequence: stopReason === 'stop_sequence' ? stopSequence : null,
      },
      usage: usageToMessages(this.record.usage),
    });
    this.#event('message_stop', {});
  }

  /** A message has one choice: its client cannot ask for more. */
  #isFirst(choice: number): boolean {
    this.open(choice);
    return choice === 0;
  }

  #says(choice: number, text: string): boolean {
    if (text === '' || !this.#isFirst(choice)) return false;
    this.record.outputCharacters += text.length;
    return true;
  }

  #enterThinking(): void {
    this.#enter('thinking', { type: 'thinking', thinking: '', signature: '' });
  }

  #enter(block: 'text' | 'thinking', content_block: JsonObject): void {
    if (this.#block === block) return;
    this.#leaveCalls();
    this.#leave();
    this.#block = block;
    this.#event('content_block_start', { index: this.#index, content_block });
  }

  #leave(): void {
    if (this.#block === undefined) return;
    this.#event('content_block_stop', { index: this.#index });
    this.#block = undefined;
    this.#index += 1;
  }

  /** Goes on to the calls that wait, as far as the one that is open lets them. */
  #advance(): void {
    for (const call of this.#calls) {
      if (call.state === 'open' && readJson(call.input) === undefined) return;
      if (call.state === 'open') this.#leaveCall(call);
      if (call.state === 'waiting') this.#enterCall(call);
    }
  }

  #leaveCalls(): void {
    for (const call of this.#calls) {
      if (call.state === 'waiting') this.#enterCall(call);
      if (call.state === 'open') this.#leaveCall(call);
    }
  }

  #enterCall(call: Call): void {
    this.#leave();
    this.#block = 'tool_use';
    call.state = 'open';
    this.#event('content_block_start', { index: this.#index, content_block: call.start });
    if (call.input !== '') this.#inputDelta(call.input);
  }

  #leaveCall(call: Call): void {
    this.#leave();
    call.state = 'closed';
  }

  #inputDelta(partial_json: string): void {
    this.#delta({ type: 'input_json_delta', partial_json });
  }

  #delta(delta: JsonObject): void {
    this.#event('content_block_delta', { index: this.#index, delta });
  }

  #event(type: string, fields: JsonObject): void {
    this.#pieces.push(encodeTypedEvent(type, fields));
  }
}
