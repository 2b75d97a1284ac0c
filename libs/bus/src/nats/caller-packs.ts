/**
 * Attempts that a worker publishes for its callers: those of one turn for one caller are one message,
 * whose acknowledgement goes straight to the caller. The end of a call names the message that its
 * attempt is in, so that one acknowledgement ends the calls of all of them.
 */
import {
  type AttemptedEvent,
  encodePack,
  PACK_BYTES_MAX,
  PACK_EVENTS_MAX,
  packedBytes,
  streams,
  subjects,
} from '@gateway/protocol';
import { InFlightMap } from '@gateway/runtime';
import type { LogMessage } from '../log/log-record.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import { eventMessage, messageIdHeader } from './event-publisher.ts';
import type { TurnEnd } from './turn-end.ts';

export interface CallerPacksSetup {
  readonly keeper: Pick<ConnectionKeeper, 'connection' | 'require'>;
  readonly turnEnd: TurnEnd;
  /** Instance of this worker. */
  readonly worker: string;
}

interface OpenPack {
  readonly number: number;
  readonly events: LogMessage[];
  bytes: number;
}

/** Of an event that can be published at all, with room for its headers. */
const EVENT_BYTES_MAX = streams.events.messageBytesMax - 4 * 1024;

export class CallerPacks {
  readonly #setup: CallerPacksSetup;
  /** By caller. */
  readonly #open = new InFlightMap<string, OpenPack>();
  #count = 0;

  constructor(setup: CallerPacksSetup) {
    this.#setup = setup;
  }

  /**
   * The key under which the caller hears what became of the event. Throws where that can be nothing:
   * `bus_unavailable`, or for an event too large.
   */
  add(caller: string, event: AttemptedEvent, json: string): string {
    this.#setup.keeper.require();
    const message = eventMessage(event, json);
    const bytes = packedBytes(message);
    if (bytes > EVENT_BYTES_MAX) throw new RangeError(`an event of ${bytes} bytes`);
    let pack = this.#open.get(caller);
    if (pack !== undefined && pack.bytes + bytes > PACK_BYTES_MAX) {
      this.#publish(caller, pack);
      pack = undefined;
    }
    pack ??= this.#begin(caller);
    pack.events.push(message);
    pack.bytes += bytes;
    if (pack.events.length === PACK_EVENTS_MAX) this.#publish(caller, pack);
    return packKey(this.#setup.worker, pack.number);
  }

  #begin(caller: string): OpenPack {
    this.#count += 1;
    const pack = { number: this.#count, events: [], bytes: 0 };
    this.#open.set(caller, pack);
    this.#setup.turnEnd.push(() => {
      if (this.#open.get(caller) === pack) this.#publish(caller, pack);
    });
    return pack;
  }

  /** Without a connection it is lost, as it would be with one that breaks now. */
  #publish(caller: string, { number, events }: OpenPack): void {
    this.#open.delete(caller);
    const { id, subject, payload } = encodePack(events);
    const { worker } = this.#setup;
    const leg = 'acknowledgement';
    this.#setup.keeper.connection?.publish(subject, payload, {
      reply: subjects.reply({ ingress: caller, request: worker, attempt: number, leg }),
      headers: messageIdHeader(id),
    });
  }
}

function packKey(worker: string, number: number): string {
  return `${worker}.${number}`;
}
