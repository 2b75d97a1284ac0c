/**
 * A stream of a message that passes: the events go on byte for byte as they came, and are read on
 * the way. Only `message_stop` makes it complete, and nothing behind it is passed on.
 */
import type { AnswerRecord } from '../answer-record.ts';
import { badAnswer } from '../chat/read-answer.ts';
import type { AnswerStream } from '../exchange.ts';
import { readJson } from '../json/read-json.ts';
import { joinBytes } from '../json/splice-members.ts';
import { EventDecoder, type ServerSentEvent } from '../sse/decode-events.ts';
import { isWholeData } from '../sse/encode-event.ts';
import { interrupted } from '../stream-interrupted.ts';
import { errorInMessagesAnswer } from './error.ts';
import { type ApiEvent, type ApiUsage, apiEvent } from './messages-api.ts';
import { isPlainApiEvent } from './plain-event.ts';
import { finishReasonFromMessages } from './stop-reason.ts';
import { mergeUsage, usageFromMessages } from './usage.ts';

const LINE_BREAKS = new TextEncoder().encode('\n\n');

export class PassingMessageStream implements AnswerStream {
  readonly #decoder = new EventDecoder();
  readonly #record: AnswerRecord;
  #usage: ApiUsage | undefined;
  #complete = false;

  constructor(record: AnswerRecord) {
    this.#record = record;
  }

  get complete(): boolean {
    return this.#complete;
  }

  push(bytes: Uint8Array): Uint8Array {
    if (this.#complete) return new Uint8Array();
    return joinBytes(this.#decoder.push(bytes).flatMap((event) => this.#passed(event)));
  }

  end(): Uint8Array {
    const last = this.#complete ? undefined : this.#decoder.end(isWholeData);
    // The empty line that the server left out.
    const pieces = last === undefined ? [] : [...this.#passed(last), LINE_BREAKS];
    if (!this.#complete) throw interrupted();
    return joinBytes(pieces);
  }

  #passed({ raw, data }: ServerSentEvent): readonly Uint8Array[] {
    if (this.#complete) return [];
    if (data === undefined || data.trim() === '') return [raw];
    const value = readJson(data);
    if (value === undefined) throw badAnswer('an event of the stream is not JSON');
    const error = errorInMessagesAnswer(value);
    if (error !== undefined) throw error;
    this.#note(readApiEvent(value));
    return [raw];
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
