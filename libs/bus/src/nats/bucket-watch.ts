/**
 * Watches a bucket through a push consumer of its own, made again whenever its order breaks: after
 * a reconnect, a gap, or silence. Each one starts with a snapshot; what it says that is known
 * already is not reported again, and a known key that it lacks is reported as deleted, so that even
 * a bucket that was restored from a backup is followed.
 */
import {
  type BucketName,
  bucketStream,
  bucketSubject,
  clientInboxPrefix,
  type Identity,
  jetStreamSubjects,
} from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import {
  createInbox,
  type Msg,
  type Subscription as NatsSubscription,
  nanos,
  nuid,
} from '@nats-io/transport-node';
import { z } from 'zod';
import type { BucketWatcher } from '../bus.ts';
import { decodeJson, encodeJson } from '../calls/call-messages.ts';
import type { Clock } from '../calls/clock.ts';
import { entryOf } from './bucket-entry.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import type { RequestMux } from './request-mux.ts';

const CREATE_TIMEOUT_MS = 2_000;
const RESTART_DELAY_MS = 250;
const HEARTBEAT_MS = 5_000;
/** Silence after which the consumer counts as gone. */
const SILENCE_MAX_MS = 3 * HEARTBEAT_MS;
/** How long the server keeps a consumer that nobody listens to. */
const INACTIVE_MS = 30_000;

const created = z.object({
  num_pending: z.number().optional(),
  error: z.object({ description: z.string().optional() }).optional(),
});

export interface BucketWatchSetup {
  readonly bucket: BucketName;
  readonly keeper: ConnectionKeeper;
  readonly mux: RequestMux;
  readonly clock: Clock;
  readonly identity: Identity;
  readonly logger: Logger | undefined;
  readonly watcher: BucketWatcher;
}

/** One consumer, from its creation to the break of its order. */
interface Round {
  readonly consumer: string;
  readonly inbox: string;
  readonly subscription: NatsSubscription;
  /** Keys of the snapshot. */
  readonly seen: Set<string>;
  /** Whether the server has said how much there is; messages before that wait in `early`. */
  isCreated: boolean;
  isCaughtUp: boolean;
  received: number;
  readonly early: Msg[];
  callOffSilence: () => void;
}

export class BucketWatch {
  readonly #setup: BucketWatchSetup;
  /** Revision of every key that was reported and not deleted. */
  readonly #known = new Map<string, number>();
  readonly #prefixLength: number;
  #round: Round | undefined;
  #isReady = false;
  #stopped = false;

  constructor(setup: BucketWatchSetup) {
    this.#setup = setup;
    this.#prefixLength = bucketSubject(setup.bucket, '').length;
  }

  /** Resolves when the first consumer was asked for. It is asked for again until it is there. */
  async start(): Promise<void> {
    const { keeper } = this.#setup;
    await keeper.whenConnected;
    keeper.listen({ lost: () => this.#endRound(), restored: () => void this.#begin() });
    await this.#begin();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    const round = this.#round;
    this.#endRound();
    if (round === undefined || this.#setup.keeper.connection === undefined) return;
    const { mux, bucket } = this.#setup;
    const subject = jetStreamSubjects.deleteConsumer(bucketStream(bucket), round.consumer);
    // The server removes it by itself too, only later.
    await mux.request({ subject, timeoutMs: CREATE_TIMEOUT_MS }).catch(() => undefined);
  }

  async #begin(): Promise<void> {
    const { keeper } = this.#setup;
    const { connection } = keeper;
    if (this.#stopped || this.#round !== undefined || connection === undefined) return;
    const inbox = createInbox(clientInboxPrefix(this.#setup.identity.service));
    const round: Round = {
      consumer: `watch-${nuid.next()}`,
      inbox,
      subscription: connection.subscribe(inbox, {
        callback: (error, message) => {
          if (error === null) this.#received(round, message);
        },
      }),
      seen: new Set(),
      isCreated: false,
      isCaughtUp: false,
      received: 0,
      early: [],
      callOffSilence: () => {},
    };
    this.#round = round;
    this.#watchSilence(round);
    try {
      const pending = await this.#createConsumer(round);
      if (this.#round !== round) return;
      round.isCreated = true;
      if (pending === 0) this.#caughtUp(round);
      for (const message of round.early.splice(0)) this.#received(round, message);
    } catch (error) {
      const { logger, bucket } = this.#setup;
      logger?.warn({ error, bucket }, 'bucket not watched yet');
      this.#restart(round);
    }
  }

  /** How many messages there are. */
  async #createConsumer({ consumer, inbox }: Round): Promise<number> {
    const { mux, bucket } = this.#setup;
    const stream = bucketStream(bucket);
    const reply = await mux.request({
      subject: jetStreamSubjects.createConsumer(stream, consumer),
      payload: encodeJson({
        stream_name: stream,
        config: {
          name: consumer,
          deliver_subject: inbox,
          deliver_policy: 'last_per_subject',
          filter_subjects: [bucketSubject(bucket, '>')],
          ack_policy: 'none',
          replay_policy: 'instant',
          max_deliver: 1,
          mem_storage: true,
          num_replicas: 1,
          flow_control: true,
          idle_heartbeat: nanos(HEARTBEAT_MS),
          inactive_threshold: nanos(INACTIVE_MS),
        },
        action: '',
      }),
      timeoutMs: CREATE_TIMEOUT_MS,
    });
    const { num_pending: pending, error } = decodeJson(created, reply.data);
    if (error !== undefined || pending === undefined) {
      throw new Error(error?.description ?? 'JetStream made no consumer');
    }
    return pending;
  }

  #received(round: Round, message: Msg): void {
    if (this.#round !== round) return;
    this.#watchSilence(round);
    if (message.headers !== undefined && message.headers.code !== 0) {
      // A heartbeat, or a question of the flow control, which is answered by anything.
      if (message.reply) message.respond();
      return;
    }
    if (!round.isCreated) {
      round.early.push(message);
      return;
    }
    const position = consumerPosition(message.reply ?? '');
    round.received += 1;
    if (position.delivered !== round.received) {
      this.#restart(round);
      return;
    }
    this.#report(round, message, position.revision);
    // Not a count of messages: one may be overwritten before it is delivered.
    if (position.pending === 0) this.#caughtUp(round);
  }

  #report(round: Round, message: Msg, revision: number): void {
    const key = message.subject.slice(this.#prefixLength);
    const entry = entryOf(message, revision);
    round.seen.add(key);
    if (entry === undefined) this.#forget(key);
    else if (this.#known.get(key) !== revision) {
      this.#known.set(key, revision);
      this.#setup.watcher.changed(key, entry);
    }
  }

  #forget(key: string): void {
    if (this.#known.delete(key)) this.#setup.watcher.changed(key, undefined);
  }

  #caughtUp(round: Round): void {
    if (round.isCaughtUp) return;
    round.isCaughtUp = true;
    for (const key of [...this.#known.keys()]) if (!round.seen.has(key)) this.#forget(key);
    if (this.#isReady) return;
    this.#isReady = true;
    this.#setup.watcher.ready();
  }

  #watchSilence(round: Round): void {
    round.callOffSilence();
    round.callOffSilence = this.#setup.clock.after(SILENCE_MAX_MS, () => this.#restart(round));
  }

  #restart(round: Round): void {
    if (this.#round !== round) return;
    this.#endRound();
    this.#setup.clock.after(RESTART_DELAY_MS, () => void this.#begin());
  }

  #endRound(): void {
    const round = this.#round;
    this.#round = undefined;
    if (round === undefined) return;
    round.callOffSilence();
    round.subscription.unsubscribe();
  }
}

/** Stream sequence, count of deliveries and what waits behind this one, from `$JS.ACK…`. */
function consumerPosition(reply: string) {
  const tokens = reply.split('.');
  const at = tokens.length === 9 ? 5 : 7;
  return {
    revision: Number(tokens[at]),
    delivered: Number(tokens[at + 1]),
    pending: Number(tokens[at + 3]),
  };
}
