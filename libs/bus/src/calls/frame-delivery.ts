/**
 * Frames between the machine that receives them and the one consumer that takes them. They are handed
 * over where they arrive, without a promise or a turn of their own, and wait only while the consumer is
 * busy or not there yet.
 */
import type { FrameConsumer, ReplyFrame } from '../bus.ts';

export interface DeliveryOwner<Frame> {
  /** The consumer is done with the frame. */
  taken(frame: Frame): void;
  /** The consumer takes no more. */
  abandoned(): void;
}

export class FrameDelivery<Head> {
  readonly #owner: DeliveryOwner<ReplyFrame<Head>>;
  #consumer: FrameConsumer<Head> | undefined;
  #isBusy = false;
  #isOver = false;
  /** Made for the first frame that waits; what may wait is bounded by the window of the call. */
  #waiting: ReplyFrame<Head>[] | undefined;
  #resolve: (() => void) | undefined;
  #reject: ((reason: unknown) => void) | undefined;

  constructor(owner: DeliveryOwner<ReplyFrame<Head>>) {
    this.#owner = owner;
  }

  /** Resolves when the terminal frame is taken; rejects with what the consumer throws before. */
  start(consumer: FrameConsumer<Head>): Promise<void> {
    if (this.#consumer !== undefined) throw new Error('the frames of a call are delivered once');
    this.#consumer = consumer;
    const delivered = new Promise<void>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#handWaiting();
    return delivered;
  }

  push(frame: ReplyFrame<Head>): void {
    if (this.#isOver) return;
    if (this.#consumer === undefined || this.#isBusy) {
      this.#waiting ??= [];
      this.#waiting.push(frame);
      return;
    }
    this.#hand(this.#consumer, frame);
    this.#handWaiting();
  }

  /** Drops what waits, and hands over nothing more. */
  abandon(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#waiting = undefined;
    this.#reject?.(reason);
    this.#owner.abandoned();
  }

  #handWaiting(): void {
    while (this.#consumer !== undefined && !this.#isBusy) {
      const frame = this.#waiting?.shift();
      if (frame === undefined) return;
      this.#hand(this.#consumer, frame);
    }
  }

  #hand(consumer: FrameConsumer<Head>, frame: ReplyFrame<Head>): void {
    // What arrives out of the consumer's own code comes after this one.
    this.#isBusy = true;
    let room: Promise<void> | undefined;
    try {
      room = consumer.take(frame);
    } catch (error) {
      this.abandon(error);
      return;
    }
    if (room === undefined) this.#taken(frame);
    else {
      room.then(
        () => {
          this.#taken(frame);
          this.#handWaiting();
        },
        (error: unknown) => this.abandon(error),
      );
    }
  }

  #taken(frame: ReplyFrame<Head>): void {
    this.#isBusy = false;
    if (this.#isOver) return;
    if (frame.type === 'end' || frame.type === 'error') {
      this.#isOver = true;
      this.#resolve?.();
    }
    this.#owner.taken(frame);
  }
}
