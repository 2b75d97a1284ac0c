import { type JsonMember, scanJsonObject } from './scan-json.ts';

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
 * Replaces or adds top-level members in the bytes of a JSON object. Every other byte stays. An edit
 * that returns undefined leaves its member as it is.
 */
export function spliceMembers(
  bytes: Uint8Array,
  edits: Readonly<Record<string, MemberEdit>>,
): Uint8Array {
  const members = scanJsonObject(bytes);
  const patches = Object.entries(edits).flatMap(([name, edit]) => {
    const patch = patchOf(bytes, members, name, edit);
    return patch === undefined ? [] : [patch];
  });
  patches.sort((left, right) => left.start - right.start);
  const encoder = new TextEncoder();
  const pieces: Uint8Array[] = [];
  let at = 0;
  for (const { start, end, text } of patches) {
    pieces.push(bytes.subarray(at, start), encoder.encode(text));
    at = end;
  }
  pieces.push(bytes.subarray(at));
  return joinBytes(pieces);
}

function patchOf(
  bytes: Uint8Array,
  members: readonly JsonMember[],
  name: string,
  edit: MemberEdit,
): Patch | undefined {
  const member = members.find((candidate) => candidate.name === name);
  if (member !== undefined) {
    const present = new TextDecoder().decode(bytes.subarray(member.valueStart, member.valueEnd));
    const text = edit(present);
    return text === undefined
      ? undefined
      : { start: member.valueStart, end: member.valueEnd, text };
  }
  const text = edit(undefined);
  const first = members[0];
  if (text === undefined) return undefined;
  // A new member goes in front of the first, where a comma has its place without looking further.
  const start = first?.nameStart ?? bytes.indexOf(0x7b) + 1;
  return { start, end: start, text: `${JSON.stringify(name)}:${text}${first ? ',' : ''}` };
}

export function joinBytes(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1 && pieces[0] !== undefined) return pieces[0];
  const joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return joined;
}
