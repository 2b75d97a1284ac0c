/** How a stream of chat completion chunks says that it is whole. */
const FINAL_EVENT = /(?:^|\n)data: ?\[DONE\][\r\n]*$/;
/** More than a final event takes. */
const TAIL_BYTES = 32;

/**
 * Where the final event begins that the bytes end with; their length when they do not. Frames hold whole
 * events, so it is never cut in two.
 */
export function finalEventStart(bytes: Uint8Array): number {
  const tailStart = Math.max(0, bytes.length - TAIL_BYTES);
  const tail = Buffer.from(bytes.buffer, bytes.byteOffset + tailStart, bytes.length - tailStart);
  const match = FINAL_EVENT.exec(tail.toString('latin1'));
  if (match === null) return bytes.length;
  return tailStart + match.index + (match[0].startsWith('\n') ? 1 : 0);
}
