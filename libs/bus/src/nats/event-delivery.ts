/**
 * A message of the event stream, and the deliveries of the events in it. The message is settled when the
 * last of its events is: acknowledged, or asked for again where one of them was.
 */
import {
  type ConsumerDefinition,
  GatewayError,
  headers as headerNames,
  type OpenedEvent,
  openPack,
  subjects,
} from '@gateway/protocol';
import { headers, type Msg, nanos } from '@nats-io/transport-node';
import { type Delivery, PUBLISH_TIMEOUT_MS } from '../bus.ts';
import { publishDurably } from './event-publisher.ts';
import type { RequestMux } from './request-mux.ts';
import type { SettledEvents } from './settled-events.ts';

const ACKNOWLEDGE = Buffer.from('+ACK');
const REFUSE = '-NAK';

interface DeliveryPosition {
  readonly deliveries: number;
  readonly sequence: number;
  /** Nanoseconds since 1970. */
  readonly storedAt: string;
  /** Stored behind it and not delivered yet. */
  readonly storedBehind: number;
}

/**
 * What the reply subject of a JetStream message says: `$JS.ACK.<stream>.<consumer>.<deliveries>.
 * <sequence>.<consumer sequence>.<time>.<stored behind>`, with domain and account before the stream in
 * newer servers.
 */
export function deliveryPosition(reply: string): DeliveryPosition {
  const tokens = reply.split('.');
  const at = tokens.length === 9 ? 4 : 6;
  return {
    deliveries: Number(tokens[at]),
    sequence: Number(tokens[at + 1]),
    storedAt: tokens[at + 3] ?? '',
    storedBehind: Number(tokens[at + 4]),
  };
}

/** With its time, since a stream that is made anew counts from 1 again. */
function messageKey({ sequence, storedAt }: DeliveryPosition): string {
  return `${sequence}:${storedAt}`;
}

export interface DeliveredMessageSetup {
  readonly definition: ConsumerDefinition;
  readonly mux: RequestMux;
  readonly settledEvents: SettledEvents;
}

export class DeliveredMessage {
  readonly position: DeliveryPosition;
  /** Of those events that were not settled at an earlier delivery. */
  readonly deliveries: readonly EventDelivery[];
  readonly #message: Msg;
  readonly #setup: DeliveredMessageSetup;
  readonly #settled: Set<number>;
  #unsettled: number;
  /** The shortest that was asked for. */
  #retryDelayMs: number | undefined;

  constructor(message: Msg, setup: DeliveredMessageSetup) {
    this.#message = message;
    this.#setup = setup;
    this.position = deliveryPosition(message.reply ?? '');
    this.#settled = setup.settledEvents.take(messageKey(this.position));
    this.deliveries = openPack(message.data)
      .map((event, index) => new EventDelivery(this, event, index))
      .filter((_, index) => !this.#settled.has(index));
    this.#unsettled = this.deliveries.length;
  }

  headersOf({ headers: own }: OpenedEvent): Readonly<Record<string, string>> {
    if (own !== undefined) return fieldsIn(own);
    const result: Record<string, string> = {};
    for (const [name, values] of this.#message.headers ?? []) result[name] = values[0] ?? '';
    return result;
  }

  async quarantine(bytes: Uint8Array, index: number, reason: string): Promise<void> {
    const { definition, mux } = this.#setup;
    const { stream, durable } = definition;
    const stored = headers();
    const messageId = `${stream}:${durable}:${this.position.sequence}:${index}`;
    stored.set(headerNames.messageId, messageId);
    stored.set(headerNames.quarantineReason, headerText(reason));
    stored.set(headerNames.originalSubject, this.#message.subject);
    await publishDurably(mux, {
      subject: subjects.quarantine(durable),
      payload: bytes,
      headers: stored,
      timeoutMs: PUBLISH_TIMEOUT_MS,
    });
  }

  settled(index: number): void {
    this.#settled.add(index);
    this.#answerAfterLast();
  }

  retry(delayMs: number): void {
    this.#retryDelayMs = Math.min(delayMs, this.#retryDelayMs ?? delayMs);
    this.#answerAfterLast();
  }

  /** The answer may be lost with the connection; then the message is delivered again. */
  #answerAfterLast(): void {
    this.#unsettled -= 1;
    if (this.#unsettled > 0) return;
    if (this.#retryDelayMs === undefined) {
      this.#message.respond(ACKNOWLEDGE);
      return;
    }
    if (this.#settled.size > 0) {
      this.#setup.settledEvents.remember(messageKey(this.position), this.#settled);
    }
    const delay = nanos(this.#retryDelayMs);
    this.#message.respond(`${REFUSE} ${JSON.stringify({ delay })}`);
  }
}

export class EventDelivery implements Delivery {
  readonly #message: DeliveredMessage;
  readonly #event: OpenedEvent;
  readonly #index: number;
  #settled = false;

  constructor(message: DeliveredMessage, event: OpenedEvent, index: number) {
    this.#message = message;
    this.#event = event;
    this.#index = index;
  }

  get bytes(): Uint8Array {
    return this.#event.bytes;
  }

  get deliveries(): number {
    return this.#message.position.deliveries;
  }

  get isSettled(): boolean {
    return this.#settled;
  }

  get value(): unknown {
    try {
      return JSON.parse(textOf(this.bytes));
    } catch {
      return undefined;
    }
  }

  get headers(): Readonly<Record<string, string>> {
    return this.#message.headersOf(this.#event);
  }

  acknowledge(): void {
    this.#settle();
    this.#message.settled(this.#index);
  }

  retry(delayMs: number): void {
    this.#settle();
    this.#message.retry(delayMs);
  }

  async quarantine(reason: string): Promise<void> {
    if (this.#settled) return;
    await this.#message.quarantine(this.bytes, this.#index, reason);
    this.acknowledge();
  }

  #settle(): void {
    if (this.#settled) {
      throw new GatewayError('internal', 'An event was settled twice.');
    }
    this.#settled = true;
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

/** Of headers that were published with the event; none where they are not ours. */
function fieldsIn(bytes: Uint8Array): Readonly<Record<string, string>> {
  try {
    const fields: unknown = JSON.parse(textOf(bytes));
    if (typeof fields !== 'object' || fields === null) return {};
    return Object.fromEntries(
      Object.entries(fields).filter(([, value]) => typeof value === 'string'),
    );
  } catch {
    return {};
  }
}

const HEADER_TEXT_LENGTH_MAX = 512;

/** A header holds one line of ASCII. */
function headerText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, HEADER_TEXT_LENGTH_MAX);
}
