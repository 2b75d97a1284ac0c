/**
 * Events that must not be lost though JetStream may be away: stored there when it answers, else spooled.
 * While anything waits in the spool, what is recorded goes behind it, so that an outage costs nobody a
 * timeout after the first.
 */
import { GatewayError, type GatewayEvent } from '@gateway/protocol';
import { PUBLISH_TIMEOUT_MS, RECORD_TIMEOUT_MS, type SpoolState } from '../bus.ts';
import type { LogMessage } from '../log/log-record.ts';
import { Spool, type SpoolSetup } from '../spool/spool.ts';
import type { ConnectionKeeper } from './connection-keeper.ts';
import {
  eventMessage,
  isJetStreamFull,
  isMessageRefused,
  publishMessage,
} from './event-publisher.ts';
import type { RequestMux } from './request-mux.ts';

const NO_SPOOL: SpoolState = { events: 0, bytes: 0, admits: true };

export interface EventRecorderSetup {
  readonly keeper: ConnectionKeeper;
  readonly mux: RequestMux;
  /** Without one, what JetStream does not take is refused. */
  readonly spool?: Omit<SpoolSetup, 'port'> | undefined;
}

export class EventRecorder {
  readonly #keeper: ConnectionKeeper;
  readonly #mux: RequestMux;
  readonly #spool: Spool | undefined;
  #closed = false;

  private constructor({ keeper, mux }: EventRecorderSetup, spool: Spool | undefined) {
    this.#keeper = keeper;
    this.#mux = mux;
    this.#spool = spool;
    keeper.listen({
      connected: () => spool?.retryNow(),
      restored: () => spool?.retryNow(),
    });
  }

  /** Throws when the spool's directory cannot be written. */
  static async open(setup: EventRecorderSetup): Promise<EventRecorder> {
    const { mux, spool } = setup;
    const port = {
      store: (message: LogMessage) => publishMessage(mux, message, PUBLISH_TIMEOUT_MS),
      isRefusal: isMessageRefused,
      isFull: isJetStreamFull,
    };
    return new EventRecorder(setup, spool && (await Spool.open({ ...spool, port })));
  }

  get state(): SpoolState {
    return this.#spool?.state ?? NO_SPOOL;
  }

  async record(event: GatewayEvent): Promise<void> {
    if (this.#closed) throw this.#keeper.unavailable();
    const message = eventMessage(event);
    const spool = this.#spool;
    if (spool === undefined) return await this.#store(message);
    if (spool.isEmpty) {
      try {
        return await this.#store(message);
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
    if (this.#keeper.connection !== undefined) await this.#spool?.flush();
  }

  /** After the connection, so that no publish is waited for. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#spool?.close();
  }

  async #store(message: LogMessage): Promise<void> {
    try {
      await publishMessage(this.#mux, message, RECORD_TIMEOUT_MS);
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
