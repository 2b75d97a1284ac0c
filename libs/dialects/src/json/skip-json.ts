/** Where a part of a JSON text ends whose grammar is checked elsewhere. Offsets are in bytes. */

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Up to so many bytes of a string a loop is faster than a search of the buffer. */
const SHORT_STRING_BYTES = 48;

export function skipSpace(bytes: Buffer, start: number): number {
  let at = start;
  for (;;) {
    const byte = bytes[at];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at;
    at += 1;
  }
}

export function skipValue(bytes: Buffer, start: number): number {
  const byte = bytes[start];
  if (byte === QUOTE) return skipString(bytes, start);
  if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) return skipContainer(bytes, start);
  return skipScalar(bytes, start);
}

function skipContainer(bytes: Buffer, start: number): number {
  let depth = 0;
  let at = start;
  while (at < bytes.length) {
    const byte = bytes[at];
    if (byte === QUOTE) {
      at = skipString(bytes, at);
      continue;
    }
    at += 1;
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth += 1;
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth -= 1;
    if (depth === 0) break;
  }
  return at;
}

function skipScalar(bytes: Buffer, start: number): number {
  let at = start;
  while (at < bytes.length) {
    const byte = bytes[at] ?? 0;
    if (byte === COMMA || byte === CLOSE_OBJECT || byte <= 0x20) break;
    at += 1;
  }
  return at;
}

/** From its opening quote to behind its closing one. */
export function skipString(bytes: Buffer, start: number): number {
  let at = start + 1;
  let loopEnd = at + SHORT_STRING_BYTES;
  while (at < bytes.length) {
    if (at >= loopEnd) {
      const quote = bytes.indexOf(QUOTE, at);
      if (quote === -1) return bytes.length;
      if (!isEscaped(bytes, at, quote)) return quote + 1;
      at = quote + 1;
      loopEnd = at + SHORT_STRING_BYTES;
      continue;
    }
    const byte = bytes[at];
    if (byte === QUOTE) return at + 1;
    at += byte === BACKSLASH ? 2 : 1;
  }
  return bytes.length;
}

/** Whether an odd number of backslashes stands before the quote; `start` is in no escape. */
function isEscaped(bytes: Buffer, start: number, quote: number): boolean {
  let at = quote;
  while (at > start && bytes[at - 1] === BACKSLASH) at -= 1;
  return (quote - at) % 2 === 1;
}
