/**
 * One pass over the bytes of a JSON text before anything is built from it.
 *
 * It checks the grammar, counts what an attacker would make large, and notes where the members of
 * the top-level object lie, so that a value can be replaced in the client's own bytes. Strings are
 * not decoded, except the top-level names: two spellings of one name are one name.
 */
import { GatewayError } from '@gateway/protocol';

/** Objects and arrays inside each other. */
export const JSON_DEPTH_MAX = 64;
/** Values of any kind, containers included. */
export const JSON_VALUES_MAX = 100_000;

/** A member of the top-level object; offsets are in bytes, ends exclusive. */
export interface JsonMember {
  readonly name: string;
  readonly nameStart: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SIMPLE_ESCAPES = new Set([...'"\\/bfnrt'].map((letter) => letter.charCodeAt(0)));
const NUMBER = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;
/** No number that JSON knows how to hold is longer. */
export const NUMBER_CHARACTERS_MAX = 1024;

/**
 * The members of the top-level object in their order. Throws `invalid_request` with the reason
 * `invalid_json`, `json_too_deep`, `too_many_items` or `duplicate_key`; no message quotes the text.
 */
export function scanJsonObject(bytes: Uint8Array): readonly JsonMember[] {
  return new JsonScanner(bytes).scan();
}

type Expectation = 'value' | 'element' | 'name' | 'member' | 'separator';

class JsonScanner {
  readonly #bytes: Uint8Array;
  readonly #members: JsonMember[] = [];
  readonly #names = new Set<string>();
  /** True for an object, false for an array. */
  readonly #open: boolean[] = [];
  #at = 0;
  #values = 0;
  #name = '';
  #nameStart = 0;
  #valueStart = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  scan(): readonly JsonMember[] {
    this.#skipSpace();
    if (this.#bytes[this.#at] !== OPEN_OBJECT) {
      this.#at = this.#bytes.length;
      throw refusal('invalid_json', 'The request body must be a JSON object.');
    }
    let expected: Expectation = 'value';
    while (expected !== 'separator' || this.#open.length > 0) {
      this.#skipSpace();
      expected = this.#take(expected);
    }
    this.#skipSpace();
    if (this.#at < this.#bytes.length) throw this.#syntaxError();
    return this.#members;
  }

  /** Reads one token where `expected` stands and says what may follow. */
  #take(expected: Expectation): Expectation {
    const byte = this.#bytes[this.#at];
    switch (expected) {
      case 'separator':
        return this.#separator(byte);
      case 'member':
      case 'name':
        if (expected === 'member' && byte === CLOSE_OBJECT) return this.#close();
        return this.#memberName(byte);
      default:
        if (expected === 'element' && byte === CLOSE_ARRAY) return this.#close();
        return this.#value(byte);
    }
  }

  #separator(byte: number | undefined): Expectation {
    const inObject = this.#open.at(-1) === true;
    if (byte === COMMA) {
      this.#at += 1;
      return inObject ? 'name' : 'value';
    }
    if (byte === (inObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return this.#close();
    throw this.#syntaxError();
  }

  #memberName(byte: number | undefined): Expectation {
    if (byte !== QUOTE) throw this.#syntaxError();
    const start = this.#at;
    this.#string();
    if (this.#open.length === 1) this.#noteName(start);
    this.#skipSpace();
    if (this.#bytes[this.#at] !== COLON) throw this.#syntaxError();
    this.#at += 1;
    return 'value';
  }

  #noteName(start: number): void {
    const text = new TextDecoder().decode(this.#bytes.subarray(start, this.#at));
    const name: unknown = JSON.parse(text);
    if (typeof name !== 'string') throw this.#syntaxError();
    if (this.#names.has(name)) {
      throw refusal('duplicate_key', 'The request body holds a top-level name more than once.');
    }
    this.#names.add(name);
    this.#name = name;
    this.#nameStart = start;
  }

  #value(byte: number | undefined): Expectation {
    this.#values += 1;
    if (this.#values > JSON_VALUES_MAX) {
      throw refusal(
        'too_many_items',
        `The request body holds more than ${JSON_VALUES_MAX} JSON values.`,
      );
    }
    if (this.#open.length === 1) this.#valueStart = this.#at;
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) return this.#openContainer(byte);
    if (byte === QUOTE) this.#string();
    else this.#scalar();
    this.#noteValue();
    return 'separator';
  }

  #openContainer(byte: number): Expectation {
    if (this.#open.length === JSON_DEPTH_MAX) {
      throw refusal(
        'json_too_deep',
        `The request body is nested deeper than ${JSON_DEPTH_MAX} levels.`,
      );
    }
    this.#at += 1;
    this.#open.push(byte === OPEN_OBJECT);
    return byte === OPEN_OBJECT ? 'member' : 'element';
  }

  #close(): Expectation {
    this.#at += 1;
    this.#open.pop();
    this.#noteValue();
    return 'separator';
  }

  #noteValue(): void {
    if (this.#open.length !== 1) return;
    this.#members.push({
      name: this.#name,
      nameStart: this.#nameStart,
      valueStart: this.#valueStart,
      valueEnd: this.#at,
    });
  }

  /** From its opening quote to behind its closing one. */
  #string(): void {
    this.#at += 1;
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || byte < 0x20) throw this.#syntaxError();
      if (byte === BACKSLASH) {
        this.#escape();
        continue;
      }
      this.#at += 1;
      if (byte === QUOTE) return;
    }
  }

  #escape(): void {
    const letter = this.#bytes[this.#at + 1] ?? 0;
    if (SIMPLE_ESCAPES.has(letter)) {
      this.#at += 2;
      return;
    }
    const unit = this.#unicodeEscape();
    if (unit < 0xd800 || unit > 0xdfff) return;
    // A surrogate counts only as the first half of a pair: alone it is no character in any
    // encoding.
    const low = unit < 0xdc00 && this.#bytes[this.#at] === BACKSLASH ? this.#unicodeEscape() : 0;
    if (low < 0xdc00 || low > 0xdfff) {
      throw refusal('invalid_unicode', 'The request body holds half of a surrogate pair.');
    }
  }

  #unicodeEscape(): number {
    let unit = 0;
    for (let index = this.#at + 2; index < this.#at + 6; index += 1) {
      unit = unit * 16 + hexDigit(this.#bytes[index]);
    }
    if (this.#bytes[this.#at + 1] !== 0x75 || Number.isNaN(unit)) throw this.#syntaxError();
    this.#at += 6;
    return unit;
  }

  /** A number or one of the three words. */
  #scalar(): void {
    const start = this.#at;
    let text = '';
    while (text.length < NUMBER_CHARACTERS_MAX) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined || !isScalarByte(byte)) break;
      text += String.fromCharCode(byte);
      this.#at += 1;
    }
    if (text === 'true' || text === 'false' || text === 'null' || NUMBER.test(text)) return;
    this.#at = start;
    throw this.#syntaxError();
  }

  #skipSpace(): void {
    for (;;) {
      const byte = this.#bytes[this.#at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.#at += 1;
    }
  }

  #syntaxError(): GatewayError {
    return refusal('invalid_json', `The request body is not valid JSON, at byte ${this.#at}.`);
  }
}

function hexDigit(byte: number | undefined): number {
  return byte === undefined ? Number.NaN : Number.parseInt(String.fromCharCode(byte), 16);
}

function isScalarByte(byte: number): boolean {
  const isDigit = byte >= 0x30 && byte <= 0x39;
  const isLetter = (byte >= 0x61 && byte <= 0x7a) || byte === 0x45;
  return isDigit || isLetter || byte === 0x2b || byte === 0x2d || byte === 0x2e;
}

function refusal(reason: string, message: string): GatewayError {
  return new GatewayError('invalid_request', message, { reason });
}
