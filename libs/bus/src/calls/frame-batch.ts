import { FRAME_PREFIX_BYTES, FRAMES_MESSAGE_BYTES_MAX, type Frame } from '@gateway/protocol';
import { GrowingData } from './growing-data.ts';

const NOTHING: readonly Frame[] = [];

/** Frames of one call that travel together, of at most FRAMES_MESSAGE_BYTES_MAX or one alone. */
export class FrameBatch {
  #frames: Frame[] = [];
  #bytes = 0;
  /** Of the last frame. */
  readonly #data = new GrowingData();

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  /** Whether a frame with such a payload may join those that wait. */
  fits(payloadBytes: number): boolean {
    const bytes = this.#bytes + FRAME_PREFIX_BYTES + payloadBytes;
    return this.isEmpty || bytes <= FRAMES_MESSAGE_BYTES_MAX;
  }

  add(frame: Frame): void {
    this.#finishLast();
    this.#frames.push(frame);
    this.#bytes += FRAME_PREFIX_BYTES + frame.payload.length;
    this.#data.begin(frame.type === 'data' ? frame.payload : undefined);
  }

  /**
   * Adds bytes to the data that waits as the last frame. False where the last is no data, or has no
   * room for them.
   */
  extend(bytes: Uint8Array): boolean {
    if (this.#bytes + bytes.length > FRAMES_MESSAGE_BYTES_MAX) return false;
    if (!this.#data.extend(bytes)) return false;
    this.#bytes += bytes.length;
    return true;
  }

  /** What waits, in order. Nothing waits any more. */
  take(): readonly Frame[] {
    if (this.isEmpty) return NOTHING;
    this.#finishLast();
    this.#data.begin(undefined);
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    return frames;
  }

  #finishLast(): void {
    const payload = this.#data.joined();
    const last = this.#frames.at(-1);
    if (payload === undefined || last === undefined) return;
    this.#frames[this.#frames.length - 1] = { ...last, payload };
  }
}
