/**
 * JetStream's stream of events with its one durable consumer: ids are stored once within a window,
 * deliveries that nobody acknowledges are made again.
 */
import {
  consumers,
  eventMessageId,
  gatewayEvent,
  headers,
  openPack,
  streams,
  subjects,
} from '@gateway/protocol';
import type { WireMessage } from './nats-server.ts';
import type { VirtualTime } from './virtual-time.ts';

const EVENT_PREFIX = subjects.event('received').replace('received', '');

interface StoredMessage {
  readonly sequence: number;
  readonly at: number;
  readonly data: Uint8Array;
  state: 'waiting' | 'delivered' | 'acknowledged';
  redeliverAt: number;
  deliveries: number;
}

export interface LogDelivery {
  readonly sequence: number;
  readonly deliveries: number;
  readonly data: Uint8Array;
}

export class EventLog {
  readonly messages: StoredMessage[] = [];
  readonly #time: VirtualTime;
  readonly #ids = new Map<string, StoredMessage>();
  readonly #eventIds = new Set<string>();
  /** Called when there is something to deliver. */
  stored: () => void = () => {};

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  takes(subject: string): boolean {
    return subject.startsWith(EVENT_PREFIX);
  }

  /** The sequence of the message, or of the one that was stored before under its id. */
  store({ data, headers: carried }: WireMessage): number {
    const id = carried?.get(headers.messageId) ?? '';
    const known = this.#ids.get(id);
    if (known && this.#time.now - known.at < streams.events.duplicateWindowMs)
      return known.sequence;
    const sequence = this.messages.length + 1;
    const at = this.#time.now;
    const message: StoredMessage = {
      ...{ sequence, at, data },
      state: 'waiting',
      redeliverAt: 0,
      deliveries: 0,
    };
    this.messages.push(message);
    this.#ids.set(id, message);
    const eventIds = openPack(data).map(({ bytes }) =>
      eventMessageId(gatewayEvent.parse(JSON.parse(Buffer.from(bytes).toString()))),
    );
    for (const eventId of eventIds) this.#eventIds.add(eventId);
    this.#time.note(`stored ${eventIds.join(' ')}`);
    this.stored();
    return sequence;
  }

  /** Whether the event of this id is in a message. */
  isStored(id: string): boolean {
    return this.#eventIds.has(id);
  }

  /** The next ones to be delivered, in order. */
  pull(max: number): LogDelivery[] {
    const { now } = this.#time;
    const due = this.messages.filter(
      ({ state, redeliverAt }) =>
        state === 'waiting' || (state === 'delivered' && redeliverAt <= now),
    );
    return due.slice(0, max).map((message) => {
      message.state = 'delivered';
      message.redeliverAt = now + consumers.auditWriter.acknowledgeWithinMs;
      message.deliveries += 1;
      this.#time.at(message.redeliverAt, undefined, () => {
        if (message.state === 'delivered') this.stored();
      });
      const { sequence, deliveries, data } = message;
      return { sequence, deliveries, data };
    });
  }

  acknowledge(sequence: number): void {
    const message = this.messages[sequence - 1];
    if (message !== undefined) message.state = 'acknowledged';
  }

  get pending(): number {
    return this.messages.filter(({ state }) => state !== 'acknowledged').length;
  }
}
