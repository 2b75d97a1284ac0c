import { GatewayError } from '@gateway/protocol';
import { context, ROOT_CONTEXT } from '@opentelemetry/api';
import type { BatchHandler, ConsumeOptions, Delivery, Subscription } from '../bus.ts';
import type { DurableConsumer, UnsettledEvent } from './durable-consumer.ts';

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
    const attempts = batch.map((event) => ({ event, delivery: event.deliveries }));
    const callOff = consumer.after(consumer.definition.acknowledgeWithinMs, () => {
      for (const { event, delivery } of attempts) consumer.retry(event, delivery, 0);
    });
    let unanswered = batch.length;
    const answered = () => {
      unanswered -= 1;
      if (unanswered === 0) callOff();
    };
    try {
      await this.#handler(batch.map((event) => this.#delivery(event, answered)));
    } catch (error) {
      if (this.#lost) return;
      consumer.logger.warn({ error, events: batch.length }, 'a batch of events failed');
      for (const { event, delivery } of attempts) {
        consumer.retry(event, delivery, retryDelayMs(delivery));
      }
      callOff();
    }
  }

  /** The handler may settle it after it resolved. */
  #delivery(event: UnsettledEvent, answered: () => void): Delivery {
    const consumer = this.#consumer;
    const { bytes, headers } = event.record;
    const delivery = event.deliveries;
    let settled = false;
    const settle = (how: () => void) => {
      if (settled) {
        const detail = 'an event was settled twice';
        throw new GatewayError('internal', 'The gateway failed to handle an event.', { detail });
      }
      settled = true;
      // What a process that is gone says is not heard.
      if (this.#lost) return;
      how();
      answered();
    };
    return {
      value: parsed(bytes),
      bytes,
      deliveries: delivery,
      headers,
      acknowledge: () => settle(() => consumer.settle(event)),
      retry: (delayMs) => settle(() => consumer.retry(event, delivery, delayMs)),
      quarantine: async (reason) => {
        if (!settled && !this.#lost) await consumer.keepAside(event.record, reason);
        settle(() => consumer.settle(event));
      },
    };
  }
}

/** 1, 2, 4 … 30 s. */
function retryDelayMs(deliveries: number): number {
  return Math.min(RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN * 2 ** (deliveries - 1));
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
  } catch {
    return undefined;
  }
}
