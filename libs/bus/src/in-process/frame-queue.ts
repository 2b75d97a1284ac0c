import { FRAME_PAYLOAD_BYTES_MAX } from '@gateway/protocol';
import type { CallFrame } from '../calls/call-frames.ts';

type DataFrame = Extract<CallFrame, { type: 'data' }>;

/** Frames of one call that are handed over in one turn. Data behind data is one frame, to a bound. */
export class FrameQueue {
  #frames: CallFrame[] = [];
  /** The content of the last frame, where that is data in several pieces. */
  #pieces: Uint8Array[] | undefined;
  #dataBytes = 0;

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  add(frame: CallFrame): void {
    this.#joinPieces();
    this.#frames.push(frame);
    if (frame.type === 'data') this.#dataBytes = frame.content.length;
  }

  /** Adds bytes to the data that waits as the last frame, if it is data and has room for them. */
  extend(bytes: Uint8Array): boolean {
    const last = this.#frames.at(-1);
    if (last?.type !== 'data' || this.#dataBytes + bytes.length > FRAME_PAYLOAD_BYTES_MAX) {
      return false;
    }
    this.#pieces ??= [last.content];
    this.#pieces.push(bytes);
    this.#dataBytes += bytes.length;
    return true;
  }

  /** What waits, in order. Nothing waits any more. */
  take(): readonly CallFrame[] {
    this.#joinPieces();
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }

  #joinPieces(): void {
    if (this.#pieces === undefined) return;
    const last = this.#frames.pop() as DataFrame;
    this.#frames.push({ ...last, content: Buffer.concat(this.#pieces) });
    this.#pieces = undefined;
  }
}
