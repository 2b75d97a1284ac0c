/**
 * Events on their way to JetStream: those of one turn of the event loop are one message, in place of 3
 * for a request 0.5 with 16 connections and 0.2 with 64 (measured).
 *
 * - An event that may wait does so for company, COMPANY_WAIT_MS at most.
 * - Each event has its own time, and its own outcome. What JetStream refuses for its size, or for want of
 *   room, is published again event by event, so that one of them fails alone.
 * - Several events have an id together, by which JetStream knows them as long as they are published
 *   again together. So an event may be stored twice, which its readers bear.
 */
import {
  encodePack,
  GatewayError,
  PACK_BYTES_MAX,
  PACK_EVENTS_MAX,
  packedBytes,
} from '@gateway/protocol';
import type { Msg } from '@nats-io/transport-node';
import type { Clock } from '../calls/clock.ts';
import type { LogMessage } from '../log/log-record.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import {
  isJetStreamFull,
  isMessageRefused,
  messageIdHeader,
  notStored,
  storedSequence,
} from './event-publisher.ts';
import { isNoResponders } from './message-format.ts';
import type { Inbox, RequestMux } from './request-mux.ts';
import type { TurnEnd } from './turn-end.ts';

/** How long an event waits for another that takes it along. */
export const COMPANY_WAIT_MS = 10;

export interface EventPackerSetup {
  readonly keeper: ConnectionKeeper;
  readonly mux: RequestMux;
  readonly clock: Clock;
  readonly turnEnd: TurnEnd;
}

export interface StoreOptions {
  /** From the publish to `audit_unavailable`. */
  readonly timeoutMs: number;
  readonly mayWait?: boolean | undefined;
  /** In a message of its own, at once: to find out which of several events cannot be stored. */
  readonly alone?: boolean | undefined;
}

interface Waiting {
  readonly message: LogMessage;
  readonly timeoutMs: number;
  readonly stored: () => void;
  readonly failed: (error: GatewayError) => void;
}

export class EventPacker {
  readonly #setup: EventPackerSetup;
  #waiting: Waiting[] = [];
  #bytes = 0;
  #awaitsTurnEnd = false;
  #callOffWait: (() => void) | undefined;

  constructor(setup: EventPackerSetup) {
    this.#setup = setup;
  }

  /** Resolves once the event is stored; rejects with `audit_unavailable`. */
  store(
    message: LogMessage,
    { timeoutMs, mayWait = false, alone = false }: StoreOptions,
  ): Promise<void> {
    return new Promise((stored, failed) => {
      const waiting = { message, timeoutMs, stored, failed };
      if (alone) new Publish(this.#setup, [waiting]).begin();
      else this.#add(waiting, mayWait);
    });
  }

  /** Publishes what waits. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#bytes = 0;
    this.#callOffWait?.();
    this.#callOffWait = undefined;
    new Publish(this.#setup, waiting).begin();
  }

  #add(waiting: Waiting, mayWait: boolean): void {
    const bytes = packedBytes(waiting.message);
    if (this.#bytes + bytes > PACK_BYTES_MAX) this.flush();
    this.#waiting.push(waiting);
    this.#bytes += bytes;
    if (this.#waiting.length === PACK_EVENTS_MAX) this.flush();
    else if (mayWait) this.#waitForCompany();
    else this.#waitForTurnEnd();
  }

  #waitForCompany(): void {
    if (this.#awaitsTurnEnd) return;
    this.#callOffWait ??= this.#setup.clock.after(COMPANY_WAIT_MS, () => this.flush());
  }

  #waitForTurnEnd(): void {
    if (this.#awaitsTurnEnd) return;
    this.#awaitsTurnEnd = true;
    this.#setup.turnEnd.push(() => {
      this.#awaitsTurnEnd = false;
      this.flush();
    });
  }
}

/** Events that are published together, until each of them is stored or has failed. */
class Publish {
  readonly #setup: EventPackerSetup;
  readonly #open: Set<Waiting>;
  readonly #inboxes: Inbox[] = [];
  #callOffTimeout = () => {};

  constructor(setup: EventPackerSetup, waiting: readonly Waiting[]) {
    this.#setup = setup;
    this.#open = new Set(waiting);
  }

  begin(): void {
    this.#failInTime(0);
    this.#publish([...this.#open]);
  }

  #publish(events: readonly Waiting[]): void {
    const { keeper, mux } = this.#setup;
    const { id, subject, payload } = encodePack(events.map(({ message }) => message));
    const inbox = mux.open(
      (reply) => this.#answered(events, reply),
      () => this.#fail(events, notStored(keeper.unavailable())),
    );
    this.#inboxes.push(inbox);
    try {
      const options = { reply: inbox.subject, headers: messageIdHeader(id) };
      keeper.require().publish(subject, payload, options);
    } catch (error) {
      this.#fail(events, notStored(error));
    }
  }

  #answered(events: readonly Waiting[], reply: Msg): void {
    const error = refusalIn(reply);
    if (error === undefined) {
      for (const event of events) {
        if (this.#close(event)) event.stored();
      }
    } else if (events.length > 1 && (isMessageRefused(error) || isJetStreamFull(error))) {
      for (const event of events) if (this.#open.has(event)) this.#publish([event]);
    } else {
      this.#fail(events, error);
    }
  }

  /** One timer at a time, for those with the shortest time. */
  #failInTime(passedMs: number): void {
    const nextMs = Math.min(...[...this.#open].map(({ timeoutMs }) => timeoutMs));
    this.#callOffTimeout = this.#setup.clock.after(nextMs - passedMs, () => {
      const late = [...this.#open].filter(({ timeoutMs }) => timeoutMs === nextMs);
      const error = new GatewayError('deadline_exceeded', 'A service did not answer in time.');
      this.#fail(late, notStored(error));
      if (this.#open.size > 0) this.#failInTime(nextMs);
    });
  }

  #fail(events: readonly Waiting[], error: GatewayError): void {
    for (const event of events) {
      if (this.#close(event)) event.failed(error);
    }
  }

  /** False where it has an outcome already. */
  #close(event: Waiting): boolean {
    if (!this.#open.delete(event)) return false;
    if (this.#open.size > 0) return true;
    this.#callOffTimeout();
    for (const inbox of this.#inboxes) inbox.close();
    return true;
  }
}

function refusalIn(reply: Msg): GatewayError | undefined {
  try {
    if (isNoResponders(reply)) {
      throw new GatewayError('no_responders', 'No service answers on the message bus.');
    }
    storedSequence(reply);
    return undefined;
  } catch (error) {
    return notStored(error);
  }
}
