/**
 * The events of a stream that differ from the one before in the model's text alone, which nearly all do.
 * Bytes that are the same say the same: what was read of one event holds for the next but for the length
 * of its text, so that it need not be parsed. To find that out costs a tenth of parsing it.
 */
import { decodeUtf8, readJson } from '../json/read-json.ts';
import { skipSpace, skipString } from '../json/skip-json.ts';

export interface ChangingNames {
  /** Members of which one is the text of an event. */
  readonly text: readonly string[];
  /** Members that say nothing and differ from event to event. */
  readonly padding: readonly string[];
}

/** A string between two parts that stay. Offsets are in bytes, between the quotes. */
interface Gap {
  readonly start: number;
  readonly end: number;
  readonly isText: boolean;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LINE_FEED = 0x0a;
const SPACE = 0x20;
const ASCII_MAX = 0x7f;

/** Where so many events in turn were like none before, those that follow will not be either. */
export const LEARNT_IN_VAIN_MAX = 8;

export class RepeatedEvent {
  readonly #names: readonly { readonly needle: Buffer; readonly isText: boolean }[];
  /** What stands around the gaps, one more than there are; none where nothing was learnt. */
  #parts: readonly Buffer[] = [];
  #gaps: readonly Gap[] = [];
  #textCharacters = 0;
  #learntInVain = 0;

  constructor({ text, padding }: ChangingNames) {
    this.#names = [
      ...text.map((name) => ({ needle: Buffer.from(`"${name}":`), isText: true })),
      ...padding.map((name) => ({ needle: Buffer.from(`"${name}":`), isText: false })),
    ];
  }

  /**
   * Takes the event that was read last for what comes next, where its one text has so many characters
   * and stands where it can be found.
   */
  learn(raw: Uint8Array, characters: number): void {
    this.#parts = [];
    if (this.#learntInVain === LEARNT_IN_VAIN_MAX) return;
    this.#learntInVain += 1;
    // A copy, since it stays for longer than what was read does.
    const bytes = Buffer.from(raw);
    const gaps = this.#gapsIn(bytes);
    const text = gaps?.filter(({ isText }) => isText) ?? [];
    const [only] = text;
    if (gaps === undefined || only === undefined || text.length > 1) return;
    // Of an empty text nobody can tell whether it is the one that was counted.
    if (characters === 0) return;
    // A carriage return at the end may be half of a line end.
    if (bytes.at(-1) !== LINE_FEED || charactersIn(bytes, only) !== characters) return;
    const starts = [0, ...gaps.map(({ end }) => end)];
    const ends = [...gaps.map(({ start }) => start), bytes.length];
    this.#parts = starts.map((start, at) => bytes.subarray(start, ends[at]));
    this.#gaps = gaps;
  }

  /** The event that was read last is none that comes again. */
  forget(): void {
    this.#parts = [];
  }

  /** How many bytes, from the first on, are such events. */
  match(bytes: Uint8Array): number {
    this.#textCharacters = 0;
    if (this.#parts.length === 0) return 0;
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    let at = 0;
    for (let end = this.#endOf(all, 0); end !== undefined; end = this.#endOf(all, at)) at = end;
    if (at > 0) this.#learntInVain = 0;
    return at;
  }

  /** Of the events that matched last. */
  get textCharacters(): number {
    return this.#textCharacters;
  }

  #endOf(bytes: Buffer, start: number): number | undefined {
    let at = start;
    let characters = 0;
    for (let index = 0; index < this.#parts.length; index += 1) {
      const part = this.#parts[index] as Buffer;
      const end = at + part.length;
      if (end > bytes.length || bytes.compare(part, 0, part.length, at, end) !== 0) {
        return undefined;
      }
      at = end;
      const gap = this.#gaps[index];
      if (gap === undefined) break;
      at = plainTextEnd(bytes, end);
      const length = lengthOf(bytes, end, at);
      if (length === undefined) return undefined;
      if (gap.isText) characters += length;
    }
    this.#textCharacters += characters;
    return at;
  }

  /** In their order; undefined where a name stands for more than one member, or may do so. */
  #gapsIn(bytes: Buffer): Gap[] | undefined {
    const gaps: Gap[] = [];
    for (const { needle, isText } of this.#names) {
      const at = bytes.indexOf(needle);
      if (at === -1) continue;
      const isNameForSure = bytes[at - 1] !== BACKSLASH;
      if (!isNameForSure || bytes.includes(needle, at + 1)) return undefined;
      const opening = skipSpace(bytes, at + needle.length);
      if (bytes[opening] !== QUOTE) continue;
      gaps.push({ start: opening + 1, end: skipString(bytes, opening) - 1, isText });
    }
    return gaps.toSorted((left, right) => left.start - right.start);
  }
}

/** Where the bytes end that stand for themselves in a string of JSON. */
function plainTextEnd(bytes: Buffer, start: number): number {
  for (let at = start; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    if (byte < SPACE || byte === QUOTE || byte === BACKSLASH) return at;
  }
  return bytes.length;
}

/** In characters; undefined for what is no UTF-8. */
function lengthOf(bytes: Buffer, start: number, end: number): number | undefined {
  for (let at = start; at < end; at += 1) {
    if ((bytes[at] as number) > ASCII_MAX) return decodeUtf8(bytes.subarray(start, end))?.length;
  }
  return end - start;
}

function charactersIn(bytes: Buffer, { start, end }: Gap): number | undefined {
  const value = readJson(bytes.toString('utf8', start - 1, end + 1));
  return typeof value === 'string' ? value.length : undefined;
}
