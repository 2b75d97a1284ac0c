/**
 * Brings spooled events to JetStream, the oldest first. One that was stored before, though nobody heard of
 * it, may be stored again, since it travels in other company now: its readers bear that.
 *
 * While JetStream takes nothing, the oldest two are tried in growing intervals, each in a message of its
 * own; when it does, batches follow. An event that JetStream refuses for what it is, or that fails
 * REFUSALS_MAX times while a later one is stored, is put aside: it must not hold up the rest. One that
 * only finds no room is kept: what is smaller may pass it.
 */
import { toGatewayError } from '@gateway/protocol';
import type { Clock } from '../calls/clock.ts';
import type { Logger } from '../log/durable-log.ts';
import type { LogMessage } from '../log/log-record.ts';
import type { RefusedEvents } from './refused-events.ts';
import type { SpoolDirectory } from './spool-directory.ts';

export const REPLAY_RETRY_MS_MIN = 100;
/** Room in a full stream is found no later than this. */
export const REPLAY_RETRY_MS_MAX = 1_000;
/** Two, to tell a fault of the oldest from one of JetStream. */
const PROBE_COUNT = 2;
/** Events that are on their way at the same time. */
export const BATCH_COUNT_MAX = 64;
export const REFUSALS_MAX = 3;

export interface ReplayPort {
  /**
   * Resolves once the event is stored in JetStream. One that is stored `alone` travels with no other,
   * whose fate it would share.
   */
  store(message: LogMessage, options: { readonly alone: boolean }): Promise<void>;
  /** Whether JetStream refused the event for what it is. */
  isRefusal(error: unknown): boolean;
  /** Whether JetStream had no room for it, as it may have later. */
  isFull(error: unknown): boolean;
}

export interface SpoolReplaySetup {
  readonly port: ReplayPort;
  /** Those that may hold events, the first one to be replayed first. */
  readonly sources: () => readonly SpoolDirectory[];
  readonly refused: RefusedEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of every round, with what left the source. */
  readonly replayed: (source: SpoolDirectory, count: number) => void;
}

/** `passed`: what is left found no room, and something smaller did. `failed`: to be told by the oldest. */
type RoundOutcome = 'settled' | 'passed' | 'failed';

export class SpoolReplay {
  readonly #setup: SpoolReplaySetup;
  /** How often an event failed while a later one was stored. */
  readonly #failures = new Map<string, number>();
  readonly #run: Promise<void>;
  #countMax = PROBE_COUNT;
  #retryMs = REPLAY_RETRY_MS_MIN;
  #stopped = false;
  #isIdle = false;
  #resume = () => {};

  constructor(setup: SpoolReplaySetup) {
    this.#setup = setup;
    this.#run = this.#replay();
  }

  /** There may be something to replay. */
  notify(): void {
    if (this.#isIdle) this.#resume();
  }

  /** JetStream may take events again. */
  retryNow(): void {
    this.#retryMs = REPLAY_RETRY_MS_MIN;
    this.#resume();
  }

  /** Resolves when the round that runs has ended, which is when its publishes have. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#resume();
    await this.#run;
  }

  async #replay(): Promise<void> {
    while (!this.#stopped) {
      const source = this.#setup.sources().find(({ events }) => events > 0);
      if (source === undefined) await this.#idle();
      else await this.#adapt(await this.#round(source));
    }
  }

  async #adapt(outcome: RoundOutcome): Promise<void> {
    if (outcome === 'failed') {
      this.#countMax = PROBE_COUNT;
      await this.#pause(this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, REPLAY_RETRY_MS_MAX);
      return;
    }
    this.#countMax = BATCH_COUNT_MAX;
    this.#retryMs = REPLAY_RETRY_MS_MIN;
    if (outcome === 'passed') await this.#pause(this.#retryMs);
  }

  async #round(source: SpoolDirectory): Promise<RoundOutcome> {
    const { port, logger, replayed } = this.#setup;
    try {
      const alone = this.#countMax === PROBE_COUNT;
      const messages = await source.oldest(this.#countMax);
      const errors = await Promise.all(
        messages.map((message) =>
          port.store(message, { alone }).then(() => undefined, toGatewayError),
        ),
      );
      const settled = new Set(messages.filter((_, index) => errors[index] === undefined));
      const lastStored = errors.lastIndexOf(undefined);
      for (const [index, message] of messages.entries()) {
        const error = errors[index];
        if (error === undefined) this.#failures.delete(message.id);
        else if (port.isFull(error)) continue;
        else if (port.isRefusal(error) || this.#hasFailedTooOften(message, index < lastStored)) {
          await this.#putAside(message, error);
          settled.add(message);
        }
      }
      if (settled.size > 0) await source.settle(settled);
      replayed(source, settled.size);
      if (settled.size === messages.length) return 'settled';
      const isOnlyFull = errors.every((error) => error === undefined || port.isFull(error));
      return isOnlyFull && settled.size > 0 ? 'passed' : 'failed';
    } catch (error) {
      logger.error({ error, path: source.path }, 'spooled events cannot be replayed');
      return 'failed';
    }
  }

  #hasFailedTooOften({ id }: LogMessage, isPassed: boolean): boolean {
    if (!isPassed) return false;
    const failures = (this.#failures.get(id) ?? 0) + 1;
    this.#failures.set(id, failures);
    return failures >= REFUSALS_MAX;
  }

  async #putAside(message: LogMessage, error: { message: string; facts: object }): Promise<void> {
    const { refused, logger } = this.#setup;
    await refused.keep(message, JSON.stringify(error.facts));
    this.#failures.delete(message.id);
    logger.error({ id: message.id, error }, 'JetStream refuses a spooled event, it is put aside');
  }

  async #idle(): Promise<void> {
    this.#isIdle = true;
    await this.#pause(undefined);
    this.#isIdle = false;
  }

  /** For so long, or until something asks for going on. */
  async #pause(durationMs: number | undefined): Promise<void> {
    if (this.#stopped) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resume = resolve;
    const callOff =
      durationMs === undefined ? () => {} : this.#setup.clock.after(durationMs, resolve);
    await promise;
    callOff();
  }
}
