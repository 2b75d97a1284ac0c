/**
 * Frames of a streamed reply, without NATS headers (2.7 against 7 µs a message, measured). A message
 * holds one frame or several of one attempt, one after the other: each has a prefix of 12 bytes and a
 * payload.
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

/** The message that these frames are, in their order. */
export function encodeFrames(frames: readonly Frame[]): Uint8Array {
  let size = 0;
  for (const { payload } of frames) size += FRAME_PREFIX_BYTES + payload.length;
  const bytes = Buffer.allocUnsafe(size);
  let offset = 0;
  for (const { type, attempt, sequence, payload } of frames) {
    bytes[offset] = FRAME_TYPES[type];
    bytes[offset + 1] = 0;
    bytes.writeUInt16LE(attempt, offset + 2);
    bytes.writeUInt32LE(sequence, offset + 4);
    bytes.writeUInt32LE(payload.length, offset + 8);
    bytes.set(payload, offset + FRAME_PREFIX_BYTES);
    offset += FRAME_PREFIX_BYTES + payload.length;
  }
  return bytes;
}

/**
 * The frames in a message, up to the first bytes that are none: what follows those is missing in the
 * sequence, as if it had not come.
 */
export function decodeFrames(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  let offset = 0;
  while (offset + FRAME_PREFIX_BYTES <= bytes.length) {
    const type = NAMES[bytes[offset] as number];
    const start = offset + FRAME_PREFIX_BYTES;
    const end = start + uint32(bytes, offset + 8);
    if (type === undefined || end > bytes.length) break;
    frames.push({
      type,
      attempt: (bytes[offset + 2] as number) | ((bytes[offset + 3] as number) << 8),
      sequence: uint32(bytes, offset + 4),
      payload: bytes.subarray(start, end),
    });
    offset = end;
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
