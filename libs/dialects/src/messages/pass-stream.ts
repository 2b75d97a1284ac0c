/**
 * A stream of a message that passes: the events go on byte for byte as they came, and are read on
 * the way. Only `message_stop` makes it complete, and nothing behind it is passed on.
 */
import type { AnswerRecord } from '../answer-record.ts';
import { badAnswer } from '../chat/read-answer.ts';
import type { AnswerStream } from '../exchange.ts';
import { readJson } from '../json/read-json.ts';
import { joinBytes } from '../json/splice-members.ts';
import type { ServerSentEvent } from '../sse/decode-events.ts';
import { isWholeData } from '../sse/encode-event.ts';
import { PassingEvents } from '../sse/passing-events.ts';
import { interrupted } from '../stream-interrupted.ts';
import { errorInMessagesAnswer } from './error.ts';
import { type ApiEvent, type ApiUsage, apiEvent } from './messages-api.ts';
import { isPlainApiEvent } from './plain-event.ts';
import { finishReasonFromMessages } from './stop-reason.ts';
import { mergeUsage, usageFromMessages } from './usage.ts';

const LINE_BREAKS = new TextEncoder().encode('\n\n');

const CHANGING = { text: ['text', 'thinking', 'partial_json'], padding: [] };

export class PassingMessageStream implements AnswerStream {
  readonly #events: PassingEvents;
  readonly #record: AnswerRecord;
  #usage: ApiUsage | undefined;
  #complete = false;

  constructor(record: AnswerRecord) {
    this.#record = record;
    this.#events = new PassingEvents(CHANGING, record, (event) => this.#passes(event));
  }

  get complete(): boolean {
    return this.#complete;
  }

  push(bytes: Uint8Array): Uint8Array {
    return this.#complete ? new Uint8Array() : this.#events.push(bytes);
  }

  end(): Uint8Array {
    const last = this.#complete ? undefined : this.#events.end(isWholeData);
    // The empty line that the server left out.
    const pieces = last !== undefined && this.#passes(last) ? [last.raw, LINE_BREAKS] : [];
    if (!this.#complete) throw interrupted();
    return joinBytes(pieces);
  }

  #passes(event: ServerSentEvent): boolean {
    const { data } = event;
    if (this.#complete) return false;
    if (data === undefined || data.trim() === '') return true;
    const value = readJson(data);
    if (value === undefined) throw badAnswer('an event of the stream is not JSON');
    const error = errorInMessagesAnswer(value);
    if (error !== undefined) throw error;
    const said = readApiEvent(value);
    const charactersBefore = this.#record.outputCharacters;
    this.#note(said);
    if (said.type === 'content_block_delta') {
      this.#events.expectAlike(event, this.#record.outputCharacters - charactersBefore);
    }
    return true;
  }

  #note({ type, message, content_block: block, delta, usage }: ApiEvent): void {
    const record = this.#record;
    if (type === 'message_start') {
      record.name(message?.id, message?.model);
      this.#count(message?.usage);
    }
    if (block) record.outputCharacters += charactersOf(block);
    if (delta) record.outputCharacters += charactersOf(delta) + lengthOf(delta.partial_json);
    if (type === 'message_delta') {
      this.#count(usage);
      if (delta?.stop_reason) record.finish(0, finishReasonFromMessages(delta.stop_reason));
    }
    if (type === 'message_stop') this.#complete = true;
  }

  #count(usage: ApiUsage | null | undefined): void {
    if (usage == null) return;
    this.#usage = mergeUsage(this.#usage, usage);
    this.#record.count(usageFromMessages(this.#usage));
  }
}

function readApiEvent(value: unknown): ApiEvent {
  if (isPlainApiEvent(value)) return value;
  const result = apiEvent.safeParse(value);
  if (!result.success) throw badAnswer('an event of the stream has an unknown shape');
  return result.data;
}

type Text = string | null | undefined;

function charactersOf({ text, thinking }: { readonly text?: Text; readonly thinking?: Text }) {
  return lengthOf(text) + lengthOf(thinking);
}

function lengthOf(text: Text): number {
  return text?.length ?? 0;
}
