/**
 * What a worker sends for one call in one turn of the event loop is one message: a short answer is its
 * `accepted`, said before money is spent, and one message with all the rest.
 */
import type { Frame } from '@gateway/protocol';
import { FrameBatch } from '../calls/frame-batch.ts';
import type { TurnEnd } from './turn-end.ts';

/** Frames of one call. */
export class FrameOutbox {
  readonly #turnEnd: TurnEnd;
  readonly #sendFrames: (frames: readonly Frame[]) => void;
  readonly #batch = new FrameBatch();
  #awaitsTurnEnd = false;

  constructor(turnEnd: TurnEnd, sendFrames: (frames: readonly Frame[]) => void) {
    this.#turnEnd = turnEnd;
    this.#sendFrames = sendFrames;
  }

  /** Throws what sending throws, for frames that do not wait for the end of the turn. */
  send(frame: Frame): void {
    if (!this.#batch.fits(frame.payload.length)) this.#flush();
    this.#batch.add(frame);
    if (frame.type !== 'head' && frame.type !== 'data') {
      this.#flush();
    } else if (!this.#awaitsTurnEnd) {
      this.#awaitsTurnEnd = true;
      this.#turnEnd.push(() => {
        this.#awaitsTurnEnd = false;
        this.#flush();
      });
    }
  }

  /** Adds to the data that waits. False where none does, or it has no room. */
  extendData(bytes: Uint8Array): boolean {
    return this.#batch.extend(bytes);
  }

  #flush(): void {
    if (!this.#batch.isEmpty) this.#sendFrames(this.#batch.take());
  }
}
