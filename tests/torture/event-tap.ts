/**
 * Listens to every event that JetStream stores: kind, request and attempt, and when. A durable push
 * consumer without acknowledgements, of the provisioner, who may make consumers and reads nothing else.
 */
import { clientInboxPrefix, consumers } from '@gateway/protocol';
import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import type { StoredEvent } from './history.ts';

const CONSUMER = 'torture-tap';
const RECONNECT_WAIT_MS = 100;
const PING_INTERVAL_MS = 1_000;
const NANOSECONDS_IN_MS = 1_000_000n;
/** Fields of the reply subject, which tells of a stored message. */
const REPLY = /^\$JS\.ACK\.(?:[^.]+\.[^.]+\.)?[^.]+\.[^.]+\.\d+\.(\d+)\.\d+\.(\d+)\.\d+/;
const MESSAGE_ID = /^([0-9a-f-]{36}):(received|attempted|finished)(?::(\d+))?/;

/** What a delivered message says of its event; undefined for a change of control data. */
export function storedEvent(
  reply: string | undefined,
  messageId: string | undefined,
): StoredEvent | undefined {
  const [, sequence, timestamp] = REPLY.exec(reply ?? '') ?? [];
  const [, requestId, kind, attempt] = MESSAGE_ID.exec(messageId ?? '') ?? [];
  if (sequence === undefined || timestamp === undefined) return undefined;
  if (requestId === undefined || kind === undefined) return undefined;
  return {
    sequence: Number(sequence),
    at: Number(BigInt(timestamp) / NANOSECONDS_IN_MS),
    kind: kind as StoredEvent['kind'],
    requestId,
    attempt: attempt === undefined ? undefined : Number(attempt),
  };
}

export class EventTap implements AsyncDisposable {
  readonly #connection: NatsConnection;
  readonly #events = new Map<number, StoredEvent>();

  private constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  static async open(url: string, password: string): Promise<EventTap> {
    const inboxPrefix = clientInboxPrefix('provisioner');
    const connection = await connect({
      servers: url,
      user: 'provisioner',
      pass: password,
      inboxPrefix,
      maxReconnectAttempts: -1,
      reconnectTimeWait: RECONNECT_WAIT_MS,
      pingInterval: PING_INTERVAL_MS,
    });
    const tap = new EventTap(connection);
    const deliverSubject = `${inboxPrefix}.${CONSUMER}`;
    connection.subscribe(deliverSubject, {
      callback: (error, message) => {
        if (error === null) tap.#take(message);
      },
    });
    const manager = await jetstreamManager(connection, { checkAPI: false });
    await manager.consumers.add(consumers.auditWriter.stream, {
      durable_name: CONSUMER,
      deliver_subject: deliverSubject,
      deliver_policy: DeliverPolicy.All,
      ack_policy: AckPolicy.None,
      headers_only: true,
    });
    return tap;
  }

  /** In the order of the stream. */
  get events(): readonly StoredEvent[] {
    return [...this.#events.values()].sort((left, right) => left.sequence - right.sequence);
  }

  get isEmpty(): boolean {
    return this.#events.size === 0;
  }

  #take(message: Msg): void {
    const event = storedEvent(message.reply, message.headers?.get('Nats-Msg-Id'));
    if (event !== undefined) this.#events.set(event.sequence, event);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }
}
