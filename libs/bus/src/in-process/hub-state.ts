/** What the connected buses of a hub share, and what they show each other. */
import type { BucketName, GatewayError } from '@gateway/protocol';
import type { Message } from '../bus.ts';
import type { CallFrame } from '../calls/call-frames.ts';
import type { CallOpening, ControlMessage } from '../calls/call-messages.ts';
import type { Clock } from '../calls/clock.ts';
import type { DurableLog, Logger } from '../log/durable-log.ts';
import type { Carrier } from '../trace-context.ts';
import type { BucketFile } from './bucket-file.ts';
import type { DurableConsumer } from './durable-consumer.ts';
import type { Inspect } from './handed-over.ts';
import type { QueueGroups } from './queue-groups.ts';
import type { TurnQueue } from './turn-queue.ts';

/** A request, or a message without answer, for one member of a group. */
export interface RequestOffer {
  readonly message: Message<unknown>;
  readonly carrier: Carrier;
  /** Whether nobody waits for the answer any more. */
  readonly isLate: boolean;
  answer(reply: Message<unknown>): void;
  refuse(error: GatewayError): void;
}

/** A call for one member of a group. */
export interface CallOffer {
  readonly subject: string;
  readonly opening: CallOpening;
  readonly value: unknown;
  readonly body: Uint8Array;
  readonly carrier: Carrier;
  readonly caller: CallerSide;
}

/** The caller's side of one call, as the worker reaches it. */
export interface CallerSide {
  /** False when this side is gone. */
  receive(frame: CallFrame, worker: WorkerSide): boolean;
  /** Of the worker's publish of the event. */
  acknowledged(stored: boolean): void;
}

/** The worker's side of one call, as the caller reaches it. */
export interface WorkerSide {
  /** Whether the worker's bus is gone, as if its process had died. */
  readonly isGone: boolean;
  control(message: ControlMessage): void;
}

export interface Peer {
  /** Another bus is gone. */
  peerGone(instance: string): void;
  close(): void;
}

export interface HubState {
  readonly clock: Clock;
  readonly turns: TurnQueue;
  readonly inspect: Inspect;
  readonly logger: Logger;
  readonly requests: QueueGroups<RequestOffer>;
  readonly calls: QueueGroups<CallOffer>;
  /** By instance. */
  readonly buses: Map<string, Peer>;
  readonly log: DurableLog;
  /** By durable name. */
  readonly consumers: ReadonlyMap<string, DurableConsumer>;
  bucket(name: BucketName): Promise<BucketFile>;
}
