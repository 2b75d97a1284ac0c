import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import type { BatchHandler, ConsumeOptions, Subscription } from '../bus.ts';
import type { DurableConsumer, UnsettledEvent } from './durable-consumer.ts';
import { type HandedOutBatch, InProcessDelivery } from './in-process-delivery.ts';

const RETRY_DELAY_MS_MIN = 1_000;
const RETRY_DELAY_MS_MAX = 30_000;

/** Takes batches from a consumer and hands them to one handler, one at a time. */
export class ConsumerSubscription implements Subscription {
  readonly #consumer: DurableConsumer;
  readonly #handler: BatchHandler;
  readonly #options: ConsumeOptions;
  readonly #running: Promise<void>;
  #stopping = false;
  #lost = false;

  constructor(consumer: DurableConsumer, handler: BatchHandler, options: ConsumeOptions) {
    this.#consumer = consumer;
    this.#handler = handler;
    this.#options = options;
    // Not in the trace of whoever subscribed.
    this.#running = context.with(ROOT_CONTEXT, () => this.#run());
  }

  async drain(): Promise<void> {
    this.#stopping = true;
    this.#consumer.signal();
    await this.#running;
  }

  /** Stops as a process that dies: what is out is handed out again when its time is up. */
  abandon(): void {
    this.#lost = true;
    this.#stopping = true;
    this.#consumer.signal();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      const batch = await this.#nextBatch();
      if (batch.length > 0) await this.#handle(batch);
    }
  }

  async #nextBatch(): Promise<UnsettledEvent[]> {
    const consumer = this.#consumer;
    const { batchMax } = this.#options;
    const { version } = consumer;
    await this.#fill();
    if (this.#stopping) return [];
    if (consumer.readyCount === 0) {
      await consumer.changed(version, 1);
      return [];
    }
    if (consumer.readyCount < batchMax) await this.#linger();
    return this.#stopping ? [] : consumer.take(batchMax);
  }

  async #fill(): Promise<void> {
    try {
      await this.#consumer.fill(this.#options.batchMax);
    } catch (error) {
      this.#consumer.logger.error({ error }, 'cannot read the event log');
      await this.#consumer.changed(this.#consumer.version, 1, RETRY_DELAY_MS_MIN);
    }
  }

  async #linger(): Promise<void> {
    const consumer = this.#consumer;
    const { batchMax, lingerMs } = this.#options;
    const until = consumer.clock.now() + lingerMs;
    while (!this.#stopping && consumer.readyCount < batchMax) {
      const leftMs = until - consumer.clock.now();
      if (leftMs <= 0) return;
      const { version } = consumer;
      await this.#fill();
      if (consumer.readyCount < batchMax) await consumer.changed(version, batchMax, leftMs);
    }
  }

  async #handle(batch: readonly UnsettledEvent[]): Promise<void> {
    const consumer = this.#consumer;
    let unanswered = batch.length;
    const handedOut: HandedOutBatch = {
      consumer,
      isHeard: () => !this.#lost,
      answered: () => {
        unanswered -= 1;
        if (unanswered === 0) callOff();
      },
    };
    const deliveries = batch.map((event) => new InProcessDelivery(event, handedOut));
    const callOff = consumer.after(consumer.definition.acknowledgeWithinMs, () => {
      for (const delivery of deliveries) delivery.handOutAgain(0);
    });
    try {
      await this.#handler(deliveries);
    } catch (error) {
      if (this.#lost) return;
      consumer.logger.warn({ error, events: batch.length }, 'a batch of events failed');
      for (const delivery of deliveries) delivery.handOutAgain(retryDelayMs(delivery.deliveries));
      callOff();
    }
  }
}

/** 1, 2, 4 … 30 s. */
function retryDelayMs(deliveries: number): number {
  return Math.min(RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN * 2 ** (deliveries - 1));
}
