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
  /** Places of events that were settled at an earlier delivery. */
  readonly #settledBefore: ReadonlySet<number> | undefined;
  #unsettled: number;
  /** The shortest that was asked for. */
  #retryDelayMs: number | undefined;

  constructor(message: Msg, setup: DeliveredMessageSetup) {
    this.#message = message;
    this.#setup = setup;
    this.position = deliveryPosition(message.reply ?? '');
    const { settledEvents } = setup;
    if (!settledEvents.isEmpty) this.#settledBefore = settledEvents.take(messageKey(this.position));
    const deliveries: EventDelivery[] = [];
    for (const [index, event] of openPack(message.data).entries()) {
      if (!this.#settledBefore?.has(index)) deliveries.push(new EventDelivery(this, event, index));
    }
    this.deliveries = deliveries;
    this.#unsettled = deliveries.length;
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

  retry(delayMs: number): void {
    this.#retryDelayMs = Math.min(delayMs, this.#retryDelayMs ?? delayMs);
    this.answerAfterLast();
  }

  /** One of its events is settled. The answer may be lost with the connection; then all come again. */
  answerAfterLast(): void {
    this.#unsettled -= 1;
    if (this.#unsettled > 0) return;
    if (this.#retryDelayMs === undefined) {
      this.#message.respond(ACKNOWLEDGE);
      return;
    }
    this.#rememberSettled();
    const delay = nanos(this.#retryDelayMs);
    this.#message.respond(`${REFUSE} ${JSON.stringify({ delay })}`);
  }

  #rememberSettled(): void {
    const places = new Set(this.#settledBefore);
    for (const { isAcknowledged, place } of this.deliveries) if (isAcknowledged) places.add(place);
    if (places.size === 0) return;
    this.#setup.settledEvents.remember(messageKey(this.position), places);
  }
}

export class EventDelivery implements Delivery {
  /** In its message. */
  readonly place: number;
  readonly #message: DeliveredMessage;
  readonly #event: OpenedEvent;
  #answer: 'acknowledge' | 'retry' | undefined;

  constructor(message: DeliveredMessage, event: OpenedEvent, place: number) {
    this.#message = message;
    this.#event = event;
    this.place = place;
  }

  get bytes(): Uint8Array {
    return this.#event.bytes;
  }

  get deliveries(): number {
    return this.#message.position.deliveries;
  }

  get isSettled(): boolean {
    return this.#answer !== undefined;
  }

  get isAcknowledged(): boolean {
    return this.#answer === 'acknowledge';
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
    this.#settle('acknowledge');
    this.#message.answerAfterLast();
  }

  retry(delayMs: number): void {
    this.#settle('retry');
    this.#message.retry(delayMs);
  }

  async quarantine(reason: string): Promise<void> {
    if (this.isSettled) return;
    await this.#message.quarantine(this.bytes, this.place, reason);
    this.acknowledge();
  }

  #settle(answer: 'acknowledge' | 'retry'): void {
    if (this.isSettled) {
      throw new GatewayError('internal', 'An event was settled twice.');
    }
    this.#answer = answer;
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
