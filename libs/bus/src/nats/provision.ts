/**
 * Makes what the services expect of JetStream: streams, durable consumers and buckets. May be
 * repeated; changed limits are updated, and nothing stored is removed by it.
 */
import {
  buckets,
  type ConsumerDefinition,
  clientInboxPrefix,
  consumers,
  type StreamDefinition,
  streams,
} from '@gateway/protocol';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, type NatsConnection, nanos } from '@nats-io/transport-node';
import { checkServer } from './connection-keeper.ts';

const BUCKET_BYTES_MAX = 256 * 1024 ** 2;
const BUCKET_VALUE_BYTES_MAX = 512 * 1024;
const CONNECT_TIMEOUT_MS = 5_000;

export interface ProvisionOptions {
  readonly url: string | readonly string[];
  readonly user?: string;
  readonly password?: string;
  /** Copies of each stream in a cluster; 1 by default. */
  readonly replicas?: number;
}

function streamConfiguration(definition: StreamDefinition, replicas: number) {
  return {
    name: definition.name,
    subjects: [...definition.subjects],
    retention:
      definition.retention === 'interest' ? RetentionPolicy.Interest : RetentionPolicy.Limits,
    storage: StorageType.File,
    // A publisher is told that the stream is full, instead of an event being lost.
    discard: DiscardPolicy.New,
    max_bytes: definition.bytesMax,
    max_age: nanos(definition.ageMaxMs),
    max_msg_size: definition.messageBytesMax,
    duplicate_window: nanos(definition.duplicateWindowMs),
    num_replicas: replicas,
  };
}

function consumerConfiguration(definition: ConsumerDefinition) {
  return {
    durable_name: definition.durable,
    filter_subject: definition.filter,
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(definition.acknowledgeWithinMs),
    max_ack_pending: definition.pendingMax,
    // An event is delivered until it is settled; the reader decides when it goes to quarantine.
    max_deliver: -1,
  };
}

function isMissing(error: unknown, code: JetStreamApiCodes): boolean {
  return error instanceof JetStreamApiError && error.code === code;
}

async function provisionStream(
  manager: JetStreamManager,
  definition: StreamDefinition,
  replicas: number,
): Promise<void> {
  const configuration = streamConfiguration(definition, replicas);
  try {
    await manager.streams.update(definition.name, configuration);
  } catch (error) {
    if (!isMissing(error, JetStreamApiCodes.StreamNotFound)) throw error;
    await manager.streams.add(configuration);
  }
}

async function provisionConsumer(
  manager: JetStreamManager,
  definition: ConsumerDefinition,
): Promise<void> {
  const configuration = consumerConfiguration(definition);
  try {
    await manager.consumers.update(definition.stream, definition.durable, configuration);
  } catch (error) {
    if (!isMissing(error, JetStreamApiCodes.ConsumerNotFound)) throw error;
    await manager.consumers.add(definition.stream, configuration);
  }
}

async function provision(connection: NatsConnection, replicas: number): Promise<void> {
  checkServer(connection);
  const manager = await jetstreamManager(connection);
  // Consumers first wait for their stream; the event stream drops what it has no consumer for.
  for (const definition of Object.values(streams)) {
    await provisionStream(manager, definition, replicas);
  }
  for (const definition of Object.values(consumers)) await provisionConsumer(manager, definition);
  const kvm = new Kvm(connection);
  for (const name of Object.values(buckets)) {
    await kvm.create(name, {
      history: 1,
      replicas,
      storage: StorageType.File,
      max_bytes: BUCKET_BYTES_MAX,
      maxValueSize: BUCKET_VALUE_BYTES_MAX,
    });
  }
}

/**
 * Creates or updates everything in `streams`, `consumers` and `buckets` of the protocol. Throws
 * `NatsSetupError` when the server is too old, and the client's error when it does not answer or
 * refuses a change.
 */
export async function provisionNats(options: ProvisionOptions): Promise<void> {
  const connection = await connect({
    servers: typeof options.url === 'string' ? options.url : [...options.url],
    ...(options.user !== undefined && { user: options.user }),
    ...(options.password !== undefined && { pass: options.password }),
    name: 'provisioner',
    inboxPrefix: clientInboxPrefix('provisioner'),
    timeout: CONNECT_TIMEOUT_MS,
    reconnect: false,
  });
  try {
    await provision(connection, options.replicas ?? 1);
  } finally {
    await connection.close();
  }
}
