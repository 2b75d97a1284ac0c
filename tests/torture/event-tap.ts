/**
 * Listens to every event that JetStream stores: kind, request and attempt, and when. A durable push
 * consumer without acknowledgements, of the provisioner, who may make consumers and reads nothing else.
 */
import { clientInboxPrefix, consumers, openPack } from '@gateway/protocol';
import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import { connect, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import type { StoredEvent } from './history.ts';

const CONSUMER = 'torture-tap';
const RECONNECT_WAIT_MS = 100;
const PING_INTERVAL_MS = 1_000;
const NANOSECONDS_IN_MS = 1_000_000n;
/** Fields of the reply subject, which tells of a stored message. */
const REPLY = /^\$JS\.ACK\.(?:[^.]+\.[^.]+\.)?[^.]+\.[^.]+\.\d+\.(\d+)\.\d+\.(\d+)\.\d+/;

const requestEvent = z.object({
  kind: z.enum(['received', 'attempted', 'finished']),
  requestId: z.uuid(),
  attempt: z.number().optional(),
});

/** What a delivered message says of its events, but for changes of control data. */
export function storedEvents(reply: string | undefined, payload: Uint8Array): StoredEvent[] {
  const [, sequence, timestamp] = REPLY.exec(reply ?? '') ?? [];
  if (sequence === undefined || timestamp === undefined) return [];
  return openPack(payload).flatMap(({ bytes }) => {
    const { data } = requestEvent.safeParse(JSON.parse(Buffer.from(bytes).toString()));
    if (data === undefined) return [];
    const { kind, requestId, attempt } = data;
    const at = Number(BigInt(timestamp) / NANOSECONDS_IN_MS);
    return [{ sequence: Number(sequence), at, kind, requestId, attempt }];
  });
}

export class EventTap implements AsyncDisposable {
  readonly #connection: NatsConnection;
  /** By the sequence of their message. */
  readonly #events = new Map<number, StoredEvent[]>();

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
    });
    return tap;
  }

  /** In the order of the stream. */
  get events(): readonly StoredEvent[] {
    const events = [...this.#events.values()].flat();
    return events.sort((left, right) => left.sequence - right.sequence);
  }

  get isEmpty(): boolean {
    return this.#events.size === 0;
  }

  #take(message: Msg): void {
    const events = storedEvents(message.reply, message.data);
    const [first] = events;
    if (first !== undefined) this.#events.set(first.sequence, events);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close();
  }
}
