/**
 * A stream of a response that passes: the events go on byte for byte as they came, and are read on
 * the way. It is complete with `response.completed` or `response.incomplete`; `response.failed` and
 * `error` are errors, and a stream that ends without any of them was cut.
 */
import type { AnswerRecord } from '../answer-record.ts';
import { badAnswer } from '../chat/read-answer.ts';
import type { AnswerStream } from '../exchange.ts';
import { isObject, type JsonObject, readJson } from '../json/read-json.ts';
import { joinBytes } from '../json/splice-members.ts';
import { EventDecoder, type ServerSentEvent } from '../sse/decode-events.ts';
import { DONE, isWholeData } from '../sse/encode-event.ts';
import { interrupted } from '../stream-interrupted.ts';
import { errorInEvent } from './error.ts';
import type { KeptState } from './kept-state.ts';
import { noteEnd, readResponse } from './note-response.ts';

const LINE_BREAKS = new TextEncoder().encode('\n\n');

const TERMINAL = new Set(['response.completed', 'response.incomplete', 'response.failed']);

export class PassingResponseStream implements AnswerStream {
  readonly #decoder = new EventDecoder();
  readonly #record: AnswerRecord;
  readonly #state: KeptState | undefined;
  #complete = false;
  #done = false;

  constructor(record: AnswerRecord, state: KeptState | undefined) {
    this.#record = record;
    this.#state = state;
  }

  get complete(): boolean {
    return this.#complete;
  }

  push(bytes: Uint8Array): Uint8Array {
    if (this.#done) return new Uint8Array();
    return joinBytes(this.#decoder.push(bytes).flatMap((event) => this.#passed(event)));
  }

  end(): Uint8Array {
    const last = this.#done ? undefined : this.#decoder.end(isWholeData);
    // The empty line that the server left out.
    const pieces = last === undefined ? [] : [...this.#passed(last), LINE_BREAKS];
    if (!this.#complete) throw interrupted();
    this.#done = true;
    return joinBytes(pieces);
  }

  /** Behind the end only `[DONE]`, which OpenRouter sends, is passed on. */
  #passed(event: ServerSentEvent): readonly Uint8Array[] {
    const { raw, data } = event;
    if (this.#done) return [];
    if (data === undefined || data.trim() === '') return this.#complete ? [] : [raw];
    if (data.trim() === DONE) {
      this.#done = true;
      return this.#complete ? [raw] : [];
    }
    if (this.#complete) return [];
    const value = readJson(data);
    if (!isObject(value)) throw badAnswer('an event of the stream is not a JSON object');
    this.#note(value);
    if (this.#state === undefined || !isObject(value.response)) return [raw];
    return [withData(event, this.#state.sealEvent(data))];
  }

  #note(event: JsonObject): void {
    const { type, delta, response } = event;
    const isTerminal = typeof type === 'string' && TERMINAL.has(type);
    if (isTerminal) noteEnd(readResponse(response), this.#record);
    else if (isObject(response)) this.#name(response);
    const error = errorInEvent(event);
    if (error !== undefined) throw error;
    if (typeof delta === 'string') this.#record.outputCharacters += delta.length;
    this.#complete = isTerminal;
  }

  #name(value: JsonObject): void {
    const { id, model } = readResponse(value);
    this.#record.see(0);
    this.#record.name(id, model);
  }
}

/** The event with other data. What stood beside type and data (comments, ids) has no meaning here. */
function withData({ type }: ServerSentEvent, data: string): Uint8Array {
  const name = type === undefined ? '' : `event: ${type}\n`;
  const lines = data.split('\n').map((line) => `data: ${line}\n`);
  return new TextEncoder().encode(`${name}${lines.join('')}\n`);
}
