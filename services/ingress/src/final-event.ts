/** How a stream of chat completion chunks says that it is whole, and how an array of Google's does. */
const LAST = /(?:(?<=^|\n)data: ?\[DONE\]|\r\n\])[\r\n]*$/;
/** More than either takes. */
const LAST_BYTES = 32;

/** How dialects whose events have names say it. */
const FINAL_NAME = /^event: ?(?:message_stop|response\.(?:completed|incomplete))\r?\n/;
/** More than such a name takes. */
const NAME_BYTES = 40;
const NAME_LINE_AFTER_ANOTHER = '\nevent:';

const NAME_FIRST_BYTE = 0x65;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const CLOSE_BRACKET = 0x5d;

/**
 * Where the final event begins that the bytes end with; their length when they do not. A named one may
 * be so long that only its beginning is there: then the rest of it comes with the bytes that follow.
 */
export function finalEventStart(bytes: Uint8Array): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  // Data is JSON, which has no line breaks of its own.
  const nameStart = text.lastIndexOf(NAME_LINE_AFTER_ANOTHER) + 1;
  // Nearly every chunk is told by a byte or two; the expressions are for the rest.
  if (bytes[nameStart] === NAME_FIRST_BYTE) {
    const name = text.toString('latin1', nameStart, nameStart + NAME_BYTES);
    if (FINAL_NAME.test(name)) return nameStart;
  }
  let end = bytes.length;
  while (bytes[end - 1] === LINE_FEED || bytes[end - 1] === CARRIAGE_RETURN) end -= 1;
  if (bytes[end - 1] !== CLOSE_BRACKET) return bytes.length;
  const tailStart = Math.max(0, bytes.length - LAST_BYTES);
  const match = LAST.exec(text.toString('latin1', tailStart));
  return match === null ? bytes.length : tailStart + match.index;
}
