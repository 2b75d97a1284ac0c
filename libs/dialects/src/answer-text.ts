/** How much text a piece of an answer holds, without parsing it: to estimate what a lost one cost. */
import type { ClientDialect } from '@gateway/protocol';

/**
 * The ends of the names that hold what a model writes, as they stand in a stream. An answer that is
 * not streamed has other names in the dialect of responses; it comes at once and is not lost halfway.
 */
const NAMES: Readonly<Record<ClientDialect, readonly Buffer[]>> = {
  chat: ['content":', 'arguments":'].map(bytesOf),
  messages: ['text":', 'thinking":', 'partial_json":'].map(bytesOf),
  gemini: ['text":'].map(bytesOf),
  responses: ['delta":'].map(bytesOf),
};

const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Bytes of the model's text. What a cut between two pieces goes through is counted in part. */
export function answerTextBytes(dialect: ClientDialect, piece: Uint8Array): number {
  const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
  let count = 0;
  for (const name of NAMES[dialect]) {
    let at = bytes.indexOf(name);
    while (at >= 0) {
      const start = at + name.length;
      const end = stringEnd(bytes, start);
      count += end.bytes;
      at = bytes.indexOf(name, end.at);
    }
  }
  return count;
}

/** The bytes of the string that begins there after spaces, none when it is something else. */
function stringEnd(bytes: Buffer, start: number): { readonly at: number; readonly bytes: number } {
  let at = start;
  while (bytes[at] === SPACE) at += 1;
  if (bytes[at] !== QUOTE) return { at, bytes: 0 };
  const first = at + 1;
  for (at = first; at < bytes.length && bytes[at] !== QUOTE; at += 1) {
    if (bytes[at] === BACKSLASH) at += 1;
  }
  return { at, bytes: Math.min(at, bytes.length) - first };
}

/** A search for bytes does without making them of a text each time. */
function bytesOf(name: string): Buffer {
  return Buffer.from(name);
}
