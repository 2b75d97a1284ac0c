import { type FoundMembers, findMembers, textBetween } from './find-members.ts';

/**
 * The new JSON text of a top-level member, given its present text or undefined when there is none.
 */
export type MemberEdit = (present: string | undefined) => string | undefined;

interface Patch {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Replaces or adds top-level members in the bytes of a JSON object, whose grammar was checked
 * before. Every other byte stays. An edit that returns undefined leaves its member as it is; where
 * nothing changes the result is the bytes themselves.
 */
export function spliceMembers(
  bytes: Uint8Array,
  edits: Readonly<Record<string, MemberEdit>>,
): Uint8Array {
  const names = Object.keys(edits);
  const members = findMembers(bytes, names);
  const patches: Patch[] = [];
  for (const name of names) {
    const patch = patchOf(bytes, members, name, edits[name]);
    if (patch !== undefined) patches.push(patch);
  }
  if (patches.length === 0) return bytes;
  patches.sort((left, right) => left.start - right.start);
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const { start, end, text } of patches) {
    pieces.push(bytes.subarray(at, start), Buffer.from(text));
    at = end;
  }
  pieces.push(bytes.subarray(at));
  return joinBytes(pieces);
}

function patchOf(
  bytes: Uint8Array,
  { first, found }: FoundMembers,
  name: string,
  edit: MemberEdit | undefined,
): Patch | undefined {
  const member = found.get(name);
  if (member !== undefined) {
    const { valueStart: start, valueEnd: end } = member;
    const present = textBetween(bytes, start, end);
    const text = edit?.(present);
    return text === undefined || text === present ? undefined : { start, end, text };
  }
  const text = edit?.(undefined);
  if (text === undefined) return undefined;
  // A new member goes in front of the first, where a comma has its place without looking further.
  const start = first?.nameStart ?? bytes.indexOf(0x7b) + 1;
  return { start, end: start, text: `${JSON.stringify(name)}:${text}${first ? ',' : ''}` };
}

/** The pieces as one. Those that lie side by side in one buffer, as what passes does, are not copied. */
export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  if (first === undefined) return new Uint8Array();
  if (pieces.length === 1) return first;
  let length = 0;
  let isOnePiece = true;
  for (const piece of pieces) {
    if (piece.buffer !== first.buffer || piece.byteOffset !== first.byteOffset + length) {
      isOnePiece = false;
    }
    length += piece.length;
  }
  if (isOnePiece) return new Uint8Array(first.buffer, first.byteOffset, length);
  const joined = Buffer.allocUnsafe(length);
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
