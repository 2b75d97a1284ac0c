/** What the connected buses of a hub share, and what they show each other. */
import type { BucketName, Frame, GatewayError } from '@gateway/protocol';
import type { CallOpening, ControlMessage } from '../calls/call-messages.ts';
import type { Clock } from '../calls/clock.ts';
import type { DurableLog, Logger } from '../log/durable-log.ts';
import type { Carrier } from '../trace-context.ts';
import type { BucketFile } from './bucket-file.ts';
import type { DurableConsumer } from './durable-consumer.ts';
import type { QueueGroups } from './queue-groups.ts';
import type { TurnQueue } from './turn-queue.ts';

/** A message on its way. The value is text, so that nobody shares an object; the body is shared. */
export interface Parcel {
  readonly text: string;
  readonly body: Uint8Array | undefined;
}

/** A request, or a message without answer, for one member of a group. */
export interface RequestOffer {
  readonly parcel: Parcel;
  readonly carrier: Carrier;
  /** Whether nobody waits for the answer any more. */
  readonly isLate: boolean;
  answer(reply: Parcel): void;
  refuse(error: GatewayError): void;
}

/** A call for one member of a group. */
export interface CallOffer {
  readonly subject: string;
  readonly opening: CallOpening;
  readonly text: string;
  readonly body: Uint8Array;
  readonly carrier: Carrier;
}

/** The calls of one bus, as the other ones reach them. */
export interface PeerCalls {
  /** A frame of a worker; false when this side is gone. */
  receive(requestId: string, frame: Frame): boolean;
  /** Of the worker's publish of the event. */
  acknowledged(requestId: string, attempt: number, stored: boolean): void;
  control(message: ControlMessage): void;
  /** Another bus is gone. */
  peerGone(instance: string): void;
}

export interface Peer {
  readonly calls: PeerCalls;
  close(): void;
}

export interface HubState {
  readonly clock: Clock;
  readonly turns: TurnQueue;
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
