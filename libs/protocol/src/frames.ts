/**
 * Frames of streamed replies, without NATS headers (2.7 against 7 µs a message, measured). A message
 * holds what one worker says to one caller in one turn: a section for each call, which begins with the
 * key of the call (ASCII) and the bytes of all its frames.
 *
 *     0             1..   then
 *     length of key key   length u32 LE, frames
 *
 * Frames stand one after the other, each with a prefix of 12 bytes and a payload.
 *
 *     0     1         2..3            4..7            8..11           12..
 *     type  reserved  attempt u16 LE  sequence u32 LE length u32 LE   payload
 *
 * Sequence starts at 0 in each attempt and grows by one a frame. Exactly one terminal frame (`end` or
 * `error`) closes an attempt; its sequence is the count of the frames before it.
 */
export const FRAME_PREFIX_BYTES = 12;
export const FRAME_PAYLOAD_BYTES_MAX = 256 * 1024;
/** Frames share a message up to this; a larger one is alone in its own. Half of NATS' usual limit. */
export const FRAMES_MESSAGE_BYTES_MAX = 512 * 1024;

export const FRAME_TYPES = {
  accepted: 1,
  head: 2,
  data: 3,
  end: 4,
  error: 5,
} as const;

export type FrameType = keyof typeof FRAME_TYPES;

const NAMES: readonly (FrameType | undefined)[] = (() => {
  const names: (FrameType | undefined)[] = [];
  for (const [name, type] of Object.entries(FRAME_TYPES)) names[type] = name as FrameType;
  return names;
})();

export interface Frame {
  readonly type: FrameType;
  readonly attempt: number;
  readonly sequence: number;
  /** A view of the bytes that were read: copy it before keeping it. */
  readonly payload: Uint8Array;
}

/** Frames of one call, in their order. */
export interface CallFrames {
  /** At most 255 ASCII characters. */
  readonly key: string;
  readonly frames: readonly Frame[];
}

const KEY_LENGTH_BYTES = 1;
const SECTION_LENGTH_BYTES = 4;

/** What frames of so many bytes, prefixes included, add to a message as a section of their own. */
export function sectionBytes(key: string, frameBytes: number): number {
  return KEY_LENGTH_BYTES + key.length + SECTION_LENGTH_BYTES + frameBytes;
}

/** Of all these frames with their prefixes. */
export function frameBytes(frames: readonly Frame[]): number {
  let bytes = 0;
  for (const { payload } of frames) bytes += FRAME_PREFIX_BYTES + payload.length;
  return bytes;
}

/** The message that the frames of these calls are. */
export function encodeFrames(calls: readonly CallFrames[]): Uint8Array {
  let size = 0;
  for (const { key, frames } of calls) size += sectionBytes(key, frameBytes(frames));
  const bytes = Buffer.allocUnsafe(size);
  let offset = 0;
  for (const { key, frames } of calls) {
    bytes[offset] = key.length;
    const lengthAt =
      offset + KEY_LENGTH_BYTES + bytes.write(key, offset + KEY_LENGTH_BYTES, 'latin1');
    offset = lengthAt + SECTION_LENGTH_BYTES;
    for (const frame of frames) offset = writeFrame(bytes, offset, frame);
    bytes.writeUInt32LE(offset - lengthAt - SECTION_LENGTH_BYTES, lengthAt);
  }
  return bytes;
}

function writeFrame(
  bytes: Buffer,
  offset: number,
  { type, attempt, sequence, payload }: Frame,
): number {
  bytes[offset] = FRAME_TYPES[type];
  bytes[offset + 1] = 0;
  bytes.writeUInt16LE(attempt, offset + 2);
  bytes.writeUInt32LE(sequence, offset + 4);
  bytes.writeUInt32LE(payload.length, offset + 8);
  bytes.set(payload, offset + FRAME_PREFIX_BYTES);
  return offset + FRAME_PREFIX_BYTES + payload.length;
}

/**
 * The frames in a message, up to the first bytes that are none: what follows those is missing in the
 * sequence, as if it had not come.
 */
export function decodeFrames({ buffer, byteOffset, length }: Uint8Array): CallFrames[] {
  const bytes = Buffer.from(buffer, byteOffset, length);
  const calls: CallFrames[] = [];
  let offset = 0;
  while (offset < length) {
    const lengthAt = offset + KEY_LENGTH_BYTES + (bytes[offset] as number);
    const start = lengthAt + SECTION_LENGTH_BYTES;
    if (start > length) break;
    const end = Math.min(length, start + uint32(bytes, lengthAt));
    const key = bytes.toString('latin1', offset + KEY_LENGTH_BYTES, lengthAt);
    calls.push({ key, frames: framesIn(bytes, start, end) });
    offset = end;
  }
  return calls;
}

function framesIn(bytes: Buffer, start: number, end: number): Frame[] {
  const frames: Frame[] = [];
  let offset = start;
  while (offset + FRAME_PREFIX_BYTES <= end) {
    const type = NAMES[bytes[offset] as number];
    const payloadAt = offset + FRAME_PREFIX_BYTES;
    const frameEnd = payloadAt + uint32(bytes, offset + 8);
    if (type === undefined || frameEnd > end) break;
    frames.push({
      type,
      attempt: (bytes[offset + 2] as number) | ((bytes[offset + 3] as number) << 8),
      sequence: uint32(bytes, offset + 4),
      payload: bytes.subarray(payloadAt, frameEnd),
    });
    offset = frameEnd;
  }
  return frames;
}

function uint32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset] as number) |
      ((bytes[offset + 1] as number) << 8) |
      ((bytes[offset + 2] as number) << 16) |
      ((bytes[offset + 3] as number) << 24)) >>>
    0
  );
}
