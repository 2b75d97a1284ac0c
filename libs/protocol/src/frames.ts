/**
 * Frames of a streamed reply: an 8-byte prefix and a payload, no NATS headers (2.7 against 7 µs a
 * chunk, measured).
 *
 *     0     1      2..3            4..7            8..
 *     type  flags  attempt u16 LE  sequence u32 LE payload
 *
 * Sequence starts at 0 in each attempt and grows by one a frame. Exactly one terminal frame (`end` or
 * `error`) closes an attempt; its sequence is the count of the frames before it.
 */
export const FRAME_PREFIX_BYTES = 8;
export const FRAME_PAYLOAD_BYTES_MAX = 256 * 1024;

export const FRAME_TYPES = {
  accepted: 1,
  head: 2,
  data: 3,
  end: 4,
  error: 5,
} as const;

export type FrameType = keyof typeof FRAME_TYPES;

const NAMES = new Map<number, FrameType>(
  Object.entries(FRAME_TYPES).map(([name, type]) => [type, name as FrameType]),
);

export interface Frame {
  readonly type: FrameType;
  readonly attempt: number;
  readonly sequence: number;
  /** A view of the bytes that were read: copy it before keeping it. */
  readonly payload: Uint8Array;
}

export function encodeFrame(frame: Frame): Uint8Array {
  const bytes = Buffer.allocUnsafe(FRAME_PREFIX_BYTES + frame.payload.length);
  bytes.writeUInt8(FRAME_TYPES[frame.type], 0);
  bytes.writeUInt8(0, 1);
  bytes.writeUInt16LE(frame.attempt, 2);
  bytes.writeUInt32LE(frame.sequence, 4);
  bytes.set(frame.payload, FRAME_PREFIX_BYTES);
  return bytes;
}

/** The frame in these bytes, or undefined where they are none. */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  if (bytes.length < FRAME_PREFIX_BYTES) return undefined;
  const type = NAMES.get(bytes[0] as number);
  if (type === undefined) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    type,
    attempt: view.getUint16(2, true),
    sequence: view.getUint32(4, true),
    payload: bytes.subarray(FRAME_PREFIX_BYTES),
  };
}
