/**
 * One connection that answers soon or says that it cannot. Nothing is queued while it is down, and
 * a server that stays silent loses the connection: from then on every command fails at once, and
 * the reconnection, which needs an answer to become ready, is the probe.
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
const RECONNECT_DELAY_MS_MIN = 50;
const RECONNECT_DELAY_MS_MAX = 500;

export interface RedisConnection extends Disposable {
  readonly client: Redis;
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
    enableAutoPipelining: true,
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
  return {
    client,
    get outage() {
      return outage;
    },
    [Symbol.dispose]: () => {
      outage ??= 'the connection to Redis is closed';
      client.disconnect();
    },
  };
}
