/**
 * A stream that passes: the events go on byte for byte as they came, and are read on the way.
 *
 * One event may be taken out: the usage chunk that we asked for and the client did not. The answer
 * is complete when every choice has a finish reason, or with `[DONE]`; a server that leaves
 * `[DONE]` out gets it added, since a client may wait for it.
 */
import type { AnswerRecord } from '../answer-record.ts';
import type { AnswerStream } from '../exchange.ts';
import { readJson } from '../json/read-json.ts';
import { joinBytes } from '../json/splice-members.ts';
import type { ServerSentEvent } from '../sse/decode-events.ts';
import { DONE, encodeEvent, isWholeData } from '../sse/encode-event.ts';
import { PassingEvents } from '../sse/passing-events.ts';
import { interrupted } from '../stream-interrupted.ts';
import type { ChatAnswer } from './chat-answer.ts';
import { badAnswer, noteAnswer, readChatAnswer } from './read-answer.ts';

/** OpenAI pads its chunks, so that their lengths do not give their texts away. */
const CHANGING = { text: ['content', 'reasoning_content'], padding: ['obfuscation'] };

export class PassingStream implements AnswerStream {
  readonly #events: PassingEvents;
  readonly #record: AnswerRecord;
  readonly #includeUsage: boolean;
  #done = false;

  constructor(record: AnswerRecord, includeUsage: boolean) {
    this.#record = record;
    this.#includeUsage = includeUsage;
    this.#events = new PassingEvents(CHANGING, record, (event) => this.#passes(event));
  }

  get complete(): boolean {
    return this.#done || this.#record.everyChoiceFinished;
  }

  push(bytes: Uint8Array): Uint8Array {
    return this.#done ? new Uint8Array() : this.#events.push(bytes);
  }

  end(): Uint8Array {
    const pieces: Uint8Array[] = [];
    const last = this.#done ? undefined : this.#events.end(isWholeData);
    // The empty line that the server left out; one too many is no event.
    if (last !== undefined && this.#passes(last)) pieces.push(last.raw, LINE_BREAKS);
    if (!this.complete) throw interrupted();
    if (!this.#done) pieces.push(encodeEvent(DONE));
    this.#done = true;
    return joinBytes(pieces);
  }

  /** Reads an event and says whether the client gets it. */
  #passes(event: ServerSentEvent): boolean {
    const { data } = event;
    if (this.#done) return false;
    if (data === undefined || data === '') return true;
    if (data.trim() === DONE) {
      this.#done = true;
      return true;
    }
    const value = readJson(data);
    if (value === undefined) throw badAnswer('an event of the stream is not JSON');
    const chunk = readChatAnswer(value);
    const charactersBefore = this.#record.outputCharacters;
    noteAnswer(chunk, this.#record);
    if (chunk.choices?.length === 1) {
      this.#events.expectAlike(event, this.#record.outputCharacters - charactersBefore);
    }
    return this.#includeUsage || !isUsageChunk(chunk);
  }
}

const LINE_BREAKS = new TextEncoder().encode('\n\n');

function isUsageChunk({ choices, usage }: ChatAnswer): boolean {
  return choices?.length === 0 && typeof usage === 'object' && usage !== null;
}
