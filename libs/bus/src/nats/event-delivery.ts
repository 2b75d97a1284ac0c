import {
  type ConsumerDefinition,
  GatewayError,
  headers as headerNames,
  subjects,
} from '@gateway/protocol';
import { headers, type Msg, nanos } from '@nats-io/transport-node';
import { type Delivery, PUBLISH_TIMEOUT_MS } from '../bus.ts';
import { publishDurably } from './event-publisher.ts';
import type { RequestMux } from './request-mux.ts';

const ACKNOWLEDGE = '+ACK';
const REFUSE = '-NAK';
const TERMINATE = '+TERM';

interface DeliveryPosition {
  readonly deliveries: number;
  readonly sequence: number;
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
    storedBehind: Number(tokens[at + 4]),
  };
}

export class EventDelivery implements Delivery {
  readonly bytes: Uint8Array;
  readonly deliveries: number;
  readonly storedBehind: number;
  readonly #sequence: number;
  readonly #message: Msg;
  readonly #definition: ConsumerDefinition;
  readonly #mux: RequestMux;
  #settled = false;

  constructor(message: Msg, definition: ConsumerDefinition, mux: RequestMux) {
    this.#message = message;
    this.#definition = definition;
    this.#mux = mux;
    this.bytes = message.data;
    const { deliveries, sequence, storedBehind } = deliveryPosition(message.reply ?? '');
    this.deliveries = deliveries;
    this.storedBehind = storedBehind;
    this.#sequence = sequence;
  }

  get isSettled(): boolean {
    return this.#settled;
  }

  get value(): unknown {
    const { bytes } = this;
    try {
      return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'));
    } catch {
      return undefined;
    }
  }

  get headers(): Readonly<Record<string, string>> {
    const result: Record<string, string> = {};
    for (const [name, values] of this.#message.headers ?? []) result[name] = values[0] ?? '';
    return result;
  }

  acknowledge(): void {
    this.#settle(ACKNOWLEDGE);
  }

  retry(delayMs: number): void {
    this.#settle(`${REFUSE} ${JSON.stringify({ delay: nanos(delayMs) })}`);
  }

  async quarantine(reason: string): Promise<void> {
    if (this.#settled) return;
    const { stream, durable } = this.#definition;
    const stored = headers();
    stored.set(headerNames.messageId, `${stream}:${durable}:${this.#sequence}`);
    stored.set(headerNames.quarantineReason, headerText(reason));
    stored.set(headerNames.originalSubject, this.#message.subject);
    await publishDurably(this.#mux, {
      subject: subjects.quarantine(durable),
      payload: this.bytes,
      headers: stored,
      timeoutMs: PUBLISH_TIMEOUT_MS,
    });
    this.#settle(TERMINATE);
  }

  /** The answer may be lost with the connection; then the event is delivered again. */
  #settle(answer: string): void {
    if (this.#settled) {
      throw new GatewayError('internal', 'An event was settled twice.', { detail: answer });
    }
    this.#settled = true;
    this.#message.respond(answer);
  }
}

const HEADER_TEXT_LENGTH_MAX = 512;

/** A header holds one line of ASCII. */
function headerText(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, HEADER_TEXT_LENGTH_MAX);
}
