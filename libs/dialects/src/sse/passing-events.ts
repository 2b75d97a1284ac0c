import type { AnswerRecord } from '../answer-record.ts';
import { joinBytes } from '../json/splice-members.ts';
import { EventDecoder, type ServerSentEvent } from './decode-events.ts';
import { type ChangingNames, RepeatedEvent } from './repeated-event.ts';

/** What becomes of an event that has to be read: whether it goes on. */
export type ReadEvent = (event: ServerSentEvent) => boolean;

/**
 * The events of a stream that go on as they come. Those that differ from the one before in the model's
 * text alone are counted and not read.
 */
export class PassingEvents {
  readonly #decoder = new EventDecoder();
  readonly #repeated: RepeatedEvent;
  readonly #record: AnswerRecord;
  readonly #read: ReadEvent;

  constructor(names: ChangingNames, record: AnswerRecord, read: ReadEvent) {
    this.#repeated = new RepeatedEvent(names);
    this.#record = record;
    this.#read = read;
  }

  /** What goes on of any split of the stream. Throws what reading throws, and `EventDecoder`. */
  push(bytes: Uint8Array): Uint8Array {
    const pieces: Uint8Array[] = [];
    let rest = bytes;
    for (;;) {
      const alike = this.#passAlike(rest);
      if (alike === bytes.length && pieces.length === 0) return bytes;
      if (alike > 0) pieces.push(rest.subarray(0, alike));
      if (alike === rest.length) break;
      const event = this.#decoder.first(rest.subarray(alike));
      if (event === undefined) break;
      this.#repeated.forget();
      if (this.#read(event)) pieces.push(event.raw);
      rest = this.#decoder.takeRest();
    }
    return joinBytes(pieces);
  }

  /** The event whose end was left out, as of `EventDecoder`. */
  end(isWhole: (data: string) => boolean): ServerSentEvent | undefined {
    return this.#decoder.end(isWhole);
  }

  /** To be called of an event while it is read, if the next may be like it. */
  expectAlike({ raw }: ServerSentEvent, characters: number): void {
    this.#repeated.learn(raw, characters);
  }

  #passAlike(bytes: Uint8Array): number {
    if (!this.#decoder.isEmpty) return 0;
    const alike = this.#repeated.match(bytes);
    this.#record.outputCharacters += this.#repeated.textCharacters;
    return alike;
  }
}
