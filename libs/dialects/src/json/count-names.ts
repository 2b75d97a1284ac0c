/**
 * A look at a JSON text before anything is built from it, in place of the scan that checks its grammar
 * (`scan-json.ts`): `JSON.parse` checks that faster. What it sees is right as far as the grammar is, and
 * so is what stands in front of the first mistake, where `JSON.parse` ends.
 */
import { JSON_DEPTH_MAX, JSON_VALUES_MAX, NUMBER_CHARACTERS_MAX } from './scan-json.ts';
import { skipString } from './skip-json.ts';

const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
/** It may say half of a surrogate pair. */
const UNICODE_ESCAPE = Buffer.from('\\u');

/**
 * How many names the top-level object has, the same one counted again. Undefined where the text may
 * pass a bound, or what it says takes more than a look.
 */
export function countNames(json: Uint8Array): number | undefined {
  const bytes = Buffer.from(json.buffer, json.byteOffset, json.length);
  if (bytes.includes(UNICODE_ESCAPE)) return undefined;
  let names = 0;
  let depth = 0;
  /** Names inside of objects are counted, too: too many rather than too few. */
  let values = 0;
  for (let at = 0; at < bytes.length; ) {
    const byte = bytes[at] as number;
    let end = at + 1;
    if (byte === QUOTE) {
      end = skipString(bytes, at);
      values += 1;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth += 1;
      values += 1;
      if (depth > JSON_DEPTH_MAX) return undefined;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      depth -= 1;
    } else if (byte === COLON) {
      if (depth === 1) names += 1;
    } else if (byte > SPACE && byte !== COMMA) {
      end = scalarEnd(bytes, at);
      values += 1;
      if (depth === 0 || end - at > NUMBER_CHARACTERS_MAX) return undefined;
    }
    if (values > JSON_VALUES_MAX) return undefined;
    at = end;
  }
  return names;
}

/** Of a number or a word: it ends where anything else could begin. */
function scalarEnd(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (at < bytes.length && !isEnd(bytes[at] as number)) at += 1;
  return at;
}

function isEnd(byte: number): boolean {
  return (
    byte <= SPACE ||
    byte === COMMA ||
    byte === COLON ||
    byte === QUOTE ||
    byte === CLOSE_OBJECT ||
    byte === CLOSE_ARRAY ||
    byte === OPEN_OBJECT ||
    byte === OPEN_ARRAY
  );
}
