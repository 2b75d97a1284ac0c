/**
 * The bus inside one process: what NATS does for the services, for a gateway that is one process.
 * Each service connects with an identity of its own and sees the contract of `Bus`.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type BucketName,
  consumers as consumerDefinitions,
  type Identity,
  streams,
} from '@gateway/protocol';
import type { Bus } from '../bus.ts';
import { type Clock, systemClock } from '../calls/clock.ts';
import {
  DUPLICATE_IDS_MAX,
  DurableLog,
  type Logger,
  SEGMENT_BYTES_MAX,
  SILENT,
} from '../log/durable-log.ts';
import { BucketFile } from './bucket-file.ts';
import { DurableConsumer } from './durable-consumer.ts';
import { freezePlain, uninspected } from './handed-over.ts';
import type { HubState } from './hub-state.ts';
import { InProcessBus } from './in-process-bus.ts';
import { QueueGroups } from './queue-groups.ts';
import { TurnQueue } from './turn-queue.ts';

export interface InProcessHubOptions {
  /** Where events and control data are kept. Hold it with `lockDirectory`, or a directory above it. */
  readonly directory: string;
  readonly logger?: Logger;
  /**
   * What an acknowledged event survives: `disk`, the default, a power cut; `process` only the death of
   * the process, since the operating system writes it in its own time.
   */
  readonly durability?: 'disk' | 'process';
  readonly clock?: Clock;
  /**
   * Whether values that are handed over are frozen, and refused where they are not plain JSON data: for
   * tests, since types promise both. False by default.
   */
  readonly freezesValues?: boolean;
}

export interface InProcessHub {
  connect(identity: Identity): Bus;
  /** Closes what is still connected, as if it had died, and writes what is left to write. */
  close(): Promise<void>;
}

/** What is put into the quarantine again is counted twice where so many others came between. */
const QUARANTINED_IDS_MAX = 200_000;

/** Throws when the directory cannot be read or written. */
export async function openInProcessHub(options: InProcessHubOptions): Promise<InProcessHub> {
  const { directory, logger = SILENT, clock = systemClock, freezesValues = false } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const storage = await openStorage({ ...options, logger, clock });
  const buckets = new Map<BucketName, Promise<BucketFile>>();
  const state: HubState = {
    clock,
    turns: new TurnQueue(),
    inspect: freezesValues ? freezePlain : uninspected,
    logger,
    requests: new QueueGroups(),
    calls: new QueueGroups(),
    buses: new Map(),
    log: storage.log,
    consumers: storage.consumers,
    bucket(name) {
      const open = buckets.get(name) ?? BucketFile.open(join(directory, `${name}.bucket`), logger);
      buckets.set(name, open);
      return open;
    },
  };
  return {
    connect: (identity) => new InProcessBus(identity, state),
    async close() {
      for (const bus of [...state.buses.values()]) bus.close();
      await storage.close();
      for (const bucket of buckets.values()) await (await bucket).close();
    },
  };
}

interface Storage {
  readonly log: DurableLog;
  readonly consumers: ReadonlyMap<string, DurableConsumer>;
  close(): Promise<void>;
}

type StorageOptions = Required<Pick<InProcessHubOptions, 'directory' | 'logger' | 'clock'>> &
  Pick<InProcessHubOptions, 'durability'>;

async function openStorage(options: StorageOptions): Promise<Storage> {
  const { directory, logger, clock } = options;
  const consumers = new Map<string, DurableConsumer>();
  for (const definition of Object.values(consumerDefinitions)) {
    const cursorPath = join(directory, `${definition.durable}.cursor.json`);
    const consumer = await DurableConsumer.restore({ definition, cursorPath, clock, logger });
    consumers.set(definition.durable, consumer);
  }
  const common = {
    segmentBytesMax: SEGMENT_BYTES_MAX,
    sync: options.durability !== 'process',
    clock,
    logger,
  };
  const quarantine = await DurableLog.open({
    ...common,
    name: 'the quarantine',
    directory: join(directory, 'quarantine'),
    bytesMax: streams.quarantine.bytesMax,
    messageBytesMax: streams.quarantine.messageBytesMax,
    // An event is quarantined once, however often it is delivered.
    duplicateWindowMs: Number.POSITIVE_INFINITY,
    duplicateIdsMax: QUARANTINED_IDS_MAX,
    retainers: [],
    sequenceMin: 0,
    found: ({ subject }) => {
      for (const consumer of consumers.values()) consumer.foundInQuarantine(subject);
    },
    damaged: () => {},
  });
  const damages: string[] = [];
  let damaged = (place: string): unknown => damages.push(place);
  const log = await DurableLog.open({
    ...common,
    name: 'the event log',
    directory: join(directory, 'events'),
    bytesMax: streams.events.bytesMax,
    messageBytesMax: streams.events.messageBytesMax,
    duplicateWindowMs: streams.events.duplicateWindowMs,
    duplicateIdsMax: DUPLICATE_IDS_MAX,
    retainers: [...consumers.keys()],
    sequenceMin: Math.max(...[...consumers.values()].map(({ position }) => position)),
    found: (record) => {
      for (const consumer of consumers.values()) consumer.found(record);
    },
    damaged: (place) => damaged(place),
  });
  log.onStored = (stored) => {
    for (const consumer of consumers.values()) consumer.stored(stored);
  };
  for (const consumer of consumers.values()) {
    consumer.start(log, quarantine);
  }
  damaged = async (place) => {
    for (const consumer of consumers.values()) await consumer.keepDamageAside(place);
  };
  for (const place of damages) await damaged(place);
  return {
    log,
    consumers,
    async close() {
      await log.close();
      for (const consumer of consumers.values()) await consumer.close();
      await quarantine.close();
    },
  };
}
