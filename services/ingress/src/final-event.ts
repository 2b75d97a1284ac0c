/** How a stream of chat completion chunks says that it is whole, and how an array of Google's does. */
const LAST = /(?:(?<=^|\n)data: ?\[DONE\]|\r\n\])[\r\n]*$/;
/** More than either takes. */
const LAST_BYTES = 32;

/** How dialects whose events have names say it. */
const FINAL_NAME = /^event: ?(?:message_stop|response\.(?:completed|incomplete))\r?\n/;
/** More than such a name takes. */
const NAME_BYTES = 40;
const NAME_LINE = 'event:';

/**
 * Where the final event begins that the bytes end with; their length when they do not. A named one may
 * be so long that only its beginning is there: then the rest of it comes with the bytes that follow.
 */
export function finalEventStart(bytes: Uint8Array): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  // Data is JSON, which has no line breaks of its own.
  const lineBreak = text.lastIndexOf(`\n${NAME_LINE}`);
  const nameStart = lineBreak + 1;
  if (FINAL_NAME.test(text.toString('latin1', nameStart, nameStart + NAME_BYTES))) return nameStart;
  const tailStart = Math.max(0, bytes.length - LAST_BYTES);
  const match = LAST.exec(text.toString('latin1', tailStart));
  return match === null ? bytes.length : tailStart + match.index;
}
