/**
 * One connection that answers soon or says that it cannot. Nothing is queued while it is down, and
 * a server that stays silent or is late several times loses the connection: from then on every
 * command fails at once, and the reconnection, which needs an answer in time to become ready, is the
 * probe.
 */
import type { Secret } from '@gateway/runtime';
import type { Logger } from '@gateway/telemetry';
import { Redis } from 'ioredis';

export interface RedisSettings {
  readonly url: Secret;
  /** Used when the URL holds none. */
  readonly password: Secret | undefined;
}

const CONNECT_TIMEOUT_MS = 1_000;
/** From a command to the end of its patience. The ingress waits 250 ms in all. */
const COMMAND_TIMEOUT_MS = 60;
/** Silence after a command until the connection is given up. */
const SOCKET_TIMEOUT_MS = 200;
/** Lookups and stores in a row that are answered too late or not at all until it is given up. */
const TIMEOUTS_MAX = 5;
const RECONNECT_DELAY_MS_MIN = 50;
const RECONNECT_DELAY_MS_MAX = 500;

/** Lookups and stores that wait for an answer. */
export const MESSAGES_IN_FLIGHT_MAX = 1_024;

export interface RedisConnection extends Disposable {
  /**
   * Runs a command for so many messages. Throws what Redis answers, and at once when it is not
   * connected or `MESSAGES_IN_FLIGHT_MAX` messages wait already.
   */
  run<Result>(messages: number, command: (client: Redis) => Promise<Result>): Promise<Result>;
  /** Sends the commands that are run in one write, in their order. */
  inOneWrite<Result>(runCommands: () => Result): Result;
  readonly outage: string | undefined;
}

/** Starts to connect and goes on for ever; `outage` says how far it got. */
export function openRedis(settings: RedisSettings, logger: Logger): RedisConnection {
  const client = new Redis(settings.url.reveal(), {
    ...(settings.password && { password: settings.password.reveal() }),
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    maxLoadingRetryTime: RECONNECT_DELAY_MS_MAX,
    retryStrategy: (attempt) =>
      Math.min(RECONNECT_DELAY_MS_MIN * 2 ** (attempt - 1), RECONNECT_DELAY_MS_MAX),
  });
  let outage: string | undefined = 'Redis is not connected yet';
  client.on('ready', () => {
    outage = undefined;
    logger.info('redis is connected');
  });
  client.on('close', () => {
    if (outage === undefined) logger.warn('redis connection is lost');
    outage ??= 'Redis is not connected';
  });
  client.on('error', (error: Error) => {
    if (outage !== error.message) logger.warn({ reason: error.message }, 'redis fails');
    outage = error.message || 'Redis is not connected';
  });
  const inFlight = new MessagesInFlight(() => {
    client.stream.destroy(new Error('Redis answers too late'));
  });
  return {
    run: (messages, command) => inFlight.add(messages, () => command(client)),
    inOneWrite: (runCommands) => inOneWrite(client, runCommands),
    get outage() {
      return outage;
    },
    [Symbol.dispose]: () => {
      outage ??= 'the connection to Redis is closed';
      client.disconnect();
    },
  };
}

function inOneWrite<Result>({ stream }: Redis, runCommands: () => Result): Result {
  // There is none before the first connection; then the commands fail at once.
  stream?.cork();
  try {
    return runCommands();
  } finally {
    stream?.uncork();
  }
}

/** Counts the messages that wait, and those in a row that waited in vain. */
class MessagesInFlight {
  readonly #giveUp: () => void;
  #count = 0;
  #timeouts = 0;

  constructor(giveUp: () => void) {
    this.#giveUp = giveUp;
  }

  async add<Result>(messages: number, command: () => Promise<Result>): Promise<Result> {
    if (this.#count + messages > MESSAGES_IN_FLIGHT_MAX) {
      throw new Error(`${MESSAGES_IN_FLIGHT_MAX} messages wait for Redis already`);
    }
    this.#count += messages;
    try {
      const result = await command();
      this.#timeouts = 0;
      return result;
    } catch (error) {
      this.#failed(error, messages);
      throw error;
    } finally {
      this.#count -= messages;
    }
  }

  #failed(error: unknown, messages: number): void {
    const isTimeout = error instanceof Error && error.message === 'Command timed out';
    this.#timeouts = isTimeout ? this.#timeouts + messages : 0;
    if (this.#timeouts < TIMEOUTS_MAX) return;
    this.#timeouts = 0;
    this.#giveUp();
  }
}
