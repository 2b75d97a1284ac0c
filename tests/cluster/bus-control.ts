/** What tests do on NATS beside the services: look at backlogs, publish anything, set limits. */
import { clientInboxPrefix, consumers, streams } from '@gateway/protocol';
import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
} from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';

const TIMEOUT_MS = 2_000;
const NANOSECONDS_IN_MS = 1_000_000;

export interface BusControlOptions {
  readonly url: string;
  /** Passwords of the users of the bus. */
  readonly passwords: Readonly<Record<'ingress' | 'provisioner', string>>;
}

export interface EventBacklog {
  /** Messages of which the audit-writer has not settled every event. */
  readonly pending: number;
  /** Messages that wait to be acknowledged by it. */
  readonly delivered: number;
  /** Messages in the stream of events. */
  readonly stored: number;
  readonly quarantined: number;
}

export interface StoredMessage {
  readonly subject: string;
  readonly payload: Uint8Array;
}

/** Each call has a connection of its own, so that no call depends on an outage before it. */
export class BusControl {
  readonly #options: BusControlOptions;

  constructor(options: BusControlOptions) {
    this.#options = options;
  }

  /** Rejects while NATS does not answer. */
  backlog(): Promise<EventBacklog> {
    return this.#manage(async (manager) => {
      const { stream, durable } = consumers.auditWriter;
      const [consumer, events, quarantine] = await Promise.all([
        manager.consumers.info(stream, durable),
        manager.streams.info(streams.events.name),
        manager.streams.info(streams.quarantine.name),
      ]);
      return {
        pending: consumer.num_pending + consumer.num_ack_pending,
        delivered: consumer.num_ack_pending,
        stored: events.state.messages,
        quarantined: quarantine.state.messages,
      };
    });
  }

  /** How long a reader may take to settle an event before it is delivered again. */
  acknowledgeWithin(durationMs: number): Promise<void> {
    return this.#manage(async (manager) => {
      const { stream, durable } = consumers.auditWriter;
      await manager.consumers.update(stream, durable, {
        ack_wait: durationMs * NANOSECONDS_IN_MS,
      });
    });
  }

  /** The bound of the stream of events; what is stored beyond it stays. */
  limitEvents(limits: { readonly bytes?: number; readonly messages?: number }): Promise<void> {
    return this.#manage(async (manager) => {
      await manager.streams.update(streams.events.name, {
        max_bytes: limits.bytes ?? streams.events.bytesMax,
        max_msgs: limits.messages ?? -1,
      });
    });
  }

  /** What is stored as events while the work is done, which tells when it has heard enough. */
  eventsOf(work: (heard: readonly StoredMessage[]) => Promise<void>): Promise<StoredMessage[]> {
    return this.#connected('provisioner', async (connection) => {
      const subject = `${clientInboxPrefix('provisioner')}.copies`;
      const heard: StoredMessage[] = [];
      connection.subscribe(subject, {
        callback: (_error, message) => {
          heard.push({ subject: message.subject, payload: message.data });
        },
      });
      const manager = await jetstreamManager(connection, { checkAPI: false, timeout: TIMEOUT_MS });
      await manager.consumers.add(streams.events.name, {
        deliver_subject: subject,
        deliver_policy: DeliverPolicy.New,
        ack_policy: AckPolicy.None,
      });
      await work(heard);
      return heard;
    });
  }

  /** Stores a message of any content as an event, as the ingress' user; resolves when acknowledged. */
  async publishEvent(
    subject: string,
    payload: Uint8Array | string,
    messageId?: string,
  ): Promise<void> {
    await this.#connected('ingress', async (connection) => {
      const options = messageId === undefined ? {} : { msgID: messageId };
      await jetstream(connection, { checkAPI: false }).publish(subject, payload, options);
    });
  }

  /** Sends a message without a word of whether it arrived. `fields` become its headers. */
  async publish(
    subject: string,
    payload: Uint8Array | string,
    fields: Readonly<Record<string, string>> = {},
    reply?: string,
  ): Promise<void> {
    await this.#connected('ingress', async (connection) => {
      const sent = headers();
      for (const [name, value] of Object.entries(fields)) sent.set(name, value);
      connection.publish(subject, payload, { headers: sent, ...(reply && { reply }) });
      await connection.flush();
    });
  }

  #manage<T>(work: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    return this.#connected('provisioner', async (connection) => {
      try {
        return await work(
          await jetstreamManager(connection, { checkAPI: false, timeout: TIMEOUT_MS }),
        );
      } catch (error) {
        if (!(error instanceof JetStreamApiError)) throw error;
        throw new Error(`JetStream: ${error.message}`, { cause: error });
      }
    });
  }

  async #connected<T>(
    user: 'ingress' | 'provisioner',
    work: (connection: NatsConnection) => Promise<T>,
  ): Promise<T> {
    const connection = await connect({
      servers: this.#options.url,
      user,
      pass: this.#options.passwords[user],
      inboxPrefix: clientInboxPrefix(user),
      timeout: TIMEOUT_MS,
      reconnect: false,
    });
    try {
      return await work(connection);
    } finally {
      await connection.close();
    }
  }
}
