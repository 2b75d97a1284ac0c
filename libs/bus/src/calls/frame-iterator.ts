import type { FrameConsumer, ReplyFrame } from '../bus.ts';
import type { FrameDelivery } from './frame-delivery.ts';

const DONE = { done: true, value: undefined } as const;

/** Takes each frame until the next one is asked for. */
export class FrameIterator<Head> implements AsyncIterator<ReplyFrame<Head>>, FrameConsumer<Head> {
  readonly #delivery: FrameDelivery<Head>;
  #asked: ((result: IteratorResult<ReplyFrame<Head>>) => void) | undefined;
  #askForNext: (() => void) | undefined;
  #isStarted = false;
  #isOver = false;

  constructor(delivery: FrameDelivery<Head>) {
    this.#delivery = delivery;
  }

  take(frame: ReplyFrame<Head>): Promise<void> | undefined {
    const asked = this.#asked;
    this.#asked = undefined;
    asked?.({ done: false, value: frame });
    if (frame.type === 'end' || frame.type === 'error') {
      this.#isOver = true;
      return undefined;
    }
    return new Promise((resolve) => {
      this.#askForNext = resolve;
    });
  }

  next(): Promise<IteratorResult<ReplyFrame<Head>>> {
    if (this.#isOver) return Promise.resolve(DONE);
    const next = new Promise<IteratorResult<ReplyFrame<Head>>>((resolve) => {
      this.#asked = resolve;
    });
    if (this.#isStarted) this.#askForNext?.();
    else this.#start();
    return next;
  }

  return(): Promise<IteratorResult<ReplyFrame<Head>>> {
    this.#isOver = true;
    this.#delivery.abandon(new Error('the frames of the call are not read to their end'));
    this.#asked?.(DONE);
    return Promise.resolve(DONE);
  }

  #start(): void {
    this.#isStarted = true;
    // Rejects only after `return()`, which whoever iterates knows of.
    this.#delivery.start(this).catch(() => {});
  }
}
