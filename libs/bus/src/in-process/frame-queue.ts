import type { CallFrame } from '../calls/call-frames.ts';
import { GrowingData } from '../calls/growing-data.ts';

type DataFrame = Extract<CallFrame, { type: 'data' }>;

/** Frames of one call that are handed over in one turn. Data behind data is one frame, to a bound. */
export class FrameQueue {
  #frames: CallFrame[] = [];
  /** Of the last frame. */
  readonly #data = new GrowingData();

  get isEmpty(): boolean {
    return this.#frames.length === 0;
  }

  add(frame: CallFrame): void {
    this.#finishLast();
    this.#frames.push(frame);
    this.#data.begin(frame.type === 'data' ? frame.content : undefined);
  }

  /** Adds bytes to the data that waits as the last frame, if it is data and has room for them. */
  extend(bytes: Uint8Array): boolean {
    return this.#data.extend(bytes);
  }

  /** What waits, in order. Nothing waits any more. */
  take(): readonly CallFrame[] {
    this.#finishLast();
    this.#data.begin(undefined);
    const frames = this.#frames;
    this.#frames = [];
    return frames;
  }

  #finishLast(): void {
    const content = this.#data.joined();
    if (content === undefined) return;
    const last = this.#frames.pop() as DataFrame;
    this.#frames.push({ ...last, content });
  }
}
