import { GatewayError } from '@gateway/protocol';
import type { Delivery } from '../bus.ts';
import type { DurableConsumer, UnsettledEvent } from './durable-consumer.ts';

/** What the deliveries of one batch share. */
export interface HandedOutBatch {
  readonly consumer: DurableConsumer;
  /** Not of a process that is gone. */
  isHeard(): boolean;
  answered(): void;
}

/**
 * An event that a handler was given. Thousands are out at once and live long enough to be copied by the
 * collector, so each is two references, and nothing is bound. The value that this process has published
 * is given away with the first reading, so that not it but its bytes stay until the event is settled;
 * whoever asks again, or for one that it has not published, has these parsed.
 */
export class InProcessDelivery implements Delivery {
  readonly deliveries: number;
  readonly #event: UnsettledEvent;
  readonly #batch: HandedOutBatch;
  #isSettled = false;

  constructor(event: UnsettledEvent, batch: HandedOutBatch) {
    this.deliveries = event.deliveries;
    this.#event = event;
    this.#batch = batch;
  }

  get value(): unknown {
    const { record } = this.#event;
    const { bytes, value } = record;
    if (value !== undefined) {
      record.value = undefined;
      return value;
    }
    try {
      return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
    } catch {
      return undefined;
    }
  }

  get bytes(): Uint8Array {
    return this.#event.record.bytes;
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#event.record.headers;
  }

  acknowledge(): void {
    if (this.#settle()) this.#drop();
  }

  retry(delayMs: number): void {
    if (!this.#settle()) return;
    this.handOutAgain(delayMs);
    this.#batch.answered();
  }

  async quarantine(reason: string): Promise<void> {
    const { consumer } = this.#batch;
    if (!this.#isSettled && this.#batch.isHeard()) {
      await consumer.keepAside(this.#event.record, reason);
    }
    if (this.#settle()) this.#drop();
  }

  /** Whatever the handler said or will say of this delivery. Does nothing once the event is settled. */
  handOutAgain(delayMs: number): void {
    this.#batch.consumer.retry(this.#event, this.deliveries, delayMs);
  }

  #drop(): void {
    this.#batch.consumer.settle(this.#event);
    this.#batch.answered();
  }

  /** False when what is said is not heard. */
  #settle(): boolean {
    if (this.#isSettled) {
      const detail = 'an event was settled twice';
      throw new GatewayError('internal', 'The gateway failed to handle an event.', { detail });
    }
    this.#isSettled = true;
    return this.#batch.isHeard();
  }
}
