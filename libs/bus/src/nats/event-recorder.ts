/**
 * Events that must not be lost though JetStream may be away: stored there when it answers, else spooled.
 * While anything waits in the spool, what is recorded goes behind it, so that an outage costs nobody a
 * timeout after the first.
 */
import { GatewayError, type GatewayEvent } from '@gateway/protocol';
import {
  PUBLISH_TIMEOUT_MS,
  RECORD_TIMEOUT_MS,
  type RecordOptions,
  type SpoolState,
} from '../bus.ts';
import type { LogMessage } from '../log/log-record.ts';
import { Spool, type SpoolSetup } from '../spool/spool.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import type { EventPacker } from './event-packer.ts';
import { eventMessage, isJetStreamFull, isMessageRefused } from './event-publisher.ts';

const NO_SPOOL: SpoolState = { events: 0, bytes: 0, admits: true };

export interface EventRecorderSetup {
  readonly keeper: ConnectionKeeper;
  readonly packer: EventPacker;
  /** Without one, what JetStream does not take is refused. */
  readonly spool?: Omit<SpoolSetup, 'port'> | undefined;
}

export class EventRecorder {
  readonly #keeper: ConnectionKeeper;
  readonly #packer: EventPacker;
  readonly #spool: Spool | undefined;
  #closed = false;

  private constructor({ keeper, packer }: EventRecorderSetup, spool: Spool | undefined) {
    this.#keeper = keeper;
    this.#packer = packer;
    this.#spool = spool;
    keeper.listen({
      connected: () => spool?.retryNow(),
      restored: () => spool?.retryNow(),
    });
  }

  /** Throws when the spool's directory cannot be written. */
  static async open(setup: EventRecorderSetup): Promise<EventRecorder> {
    const { packer, spool } = setup;
    const port = {
      store: (message: LogMessage, { alone }: { alone: boolean }) =>
        packer.store(message, { timeoutMs: PUBLISH_TIMEOUT_MS, alone }),
      isRefusal: isMessageRefused,
      isFull: isJetStreamFull,
    };
    return new EventRecorder(setup, spool && (await Spool.open({ ...spool, port })));
  }

  get state(): SpoolState {
    return this.#spool?.state ?? NO_SPOOL;
  }

  async record(event: GatewayEvent, { mayWait }: RecordOptions = {}): Promise<void> {
    if (this.#closed) throw this.#keeper.unavailable();
    const message = eventMessage(event);
    const spool = this.#spool;
    if (spool === undefined) return await this.#store(message, mayWait);
    if (spool.isEmpty) {
      try {
        return await this.#store(message, mayWait);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
      }
      return await spool.append(message);
    }
    try {
      await spool.append(message);
    } catch (refusal) {
      // It may be full and JetStream back, with much to be replayed first.
      await this.#store(message).catch((error: unknown) => {
        throw isUnavailable(error) ? refusal : error;
      });
    }
  }

  /** Gives what waits a moment to be stored. */
  async flush(): Promise<void> {
    this.#packer.flush();
    if (this.#keeper.connection !== undefined) await this.#spool?.flush();
  }

  /** After the connection, so that no publish is waited for. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#spool?.close();
  }

  async #store(message: LogMessage, mayWait?: boolean): Promise<void> {
    try {
      await this.#packer.store(message, { timeoutMs: RECORD_TIMEOUT_MS, mayWait });
    } catch (error) {
      if (!isMessageRefused(error)) throw error;
      throw new GatewayError('internal', 'The gateway failed to record this request.', {
        detail: `JetStream refuses the event ${message.id}`,
        cause: error,
      });
    }
  }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof GatewayError && error.code === 'audit_unavailable';
}
