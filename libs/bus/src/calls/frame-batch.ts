import {
  FRAME_PAYLOAD_BYTES_MAX,
  FRAME_PREFIX_BYTES,
  FRAMES_MESSAGE_BYTES_MAX,
  type Frame,
} from '@gateway/protocol';

const NOTHING: readonly Frame[] = [];

/** Frames of one call that travel together, of at most FRAMES_MESSAGE_BYTES_MAX or one alone. */
export class FrameBatch {
  #frames: Frame[] = [];
  #bytes = 0;
  /** The payload of the last frame, where that is data in several pieces. */
  #pieces: Uint8Array[] = [];
  #dataBytes = 0;

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  /** Whether a frame with such a payload may join those that wait. */
  fits(payloadBytes: number): boolean {
    const bytes = this.#bytes + FRAME_PREFIX_BYTES + payloadBytes;
    return this.isEmpty || bytes <= FRAMES_MESSAGE_BYTES_MAX;
  }

  add(frame: Frame): void {
    this.#joinPieces();
    this.#frames.push(frame);
    this.#bytes += FRAME_PREFIX_BYTES + frame.payload.length;
    this.#dataBytes = frame.type === 'data' ? frame.payload.length : FRAME_PAYLOAD_BYTES_MAX;
  }

  /**
   * Adds bytes to the data that waits as the last frame. False where the last is no data, or has no
   * room for them.
   */
  extend(bytes: Uint8Array): boolean {
    const last = this.#frames.at(-1);
    if (last === undefined || this.#dataBytes + bytes.length > FRAME_PAYLOAD_BYTES_MAX)
      return false;
    if (this.#bytes + bytes.length > FRAMES_MESSAGE_BYTES_MAX) return false;
    if (this.#pieces.length === 0) this.#pieces.push(last.payload);
    this.#pieces.push(bytes);
    this.#dataBytes += bytes.length;
    this.#bytes += bytes.length;
    return true;
  }

  /** What waits, in order. Nothing waits any more. */
  take(): readonly Frame[] {
    if (this.isEmpty) return NOTHING;
    this.#joinPieces();
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    return frames;
  }

  #joinPieces(): void {
    const last = this.#frames.at(-1);
    if (this.#pieces.length === 0 || last === undefined) return;
    this.#frames[this.#frames.length - 1] = { ...last, payload: Buffer.concat(this.#pieces) };
    this.#pieces = [];
  }
}
