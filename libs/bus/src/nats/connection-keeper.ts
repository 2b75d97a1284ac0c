/**
 * The one connection of a bus. It is made again for as long as the bus lives; what is published
 * meanwhile would vanish, so `require` refuses instead. A connection that was lost and made again
 * has lost messages: whoever streams over it hears `lost` and breaks off.
 */
import { clientInboxPrefix, GatewayError } from '@gateway/protocol';
import {
  AuthorizationError,
  connect,
  type NatsConnection,
  type NodeConnectionOptions,
  type Status,
  type Subscription,
  type SubscriptionOptions,
} from '@nats-io/transport-node';
import type { NatsBusOptions } from './nats-bus-options.ts';
import type { TurnEnd } from './turn-end.ts';
import { writePerTurn } from './write-per-turn.ts';

const CONNECT_TIMEOUT_MS = 2_000;
const RECONNECT_WAIT_MS = 250;
const RECONNECT_JITTER_MS = 100;
const PING_INTERVAL_MS = 5_000;
const PINGS_OUT_MAX = 2;
/** How long a start waits for the first connection before it goes on with an outage. */
const FIRST_CONNECT_WAIT_MS = 2_000;
const CLOSE_TIMEOUT_MS = 2_000;

const SERVER_VERSION_MIN = [2, 12] as const;

/** The server answers and must not be used; trying again does not help. */
export class NatsSetupError extends Error {
  override readonly name = 'NatsSetupError';
}

interface Listener {
  connected?(connection: NatsConnection): void;
  lost?(): void;
  restored?(): void;
}

function connectionOptions(options: NatsBusOptions): NodeConnectionOptions {
  const { service, instance } = options.identity;
  return {
    servers: typeof options.url === 'string' ? options.url : [...options.url],
    ...(options.user !== undefined && { user: options.user }),
    ...(options.password !== undefined && { pass: options.password }),
    name: `${service}/${instance}`,
    inboxPrefix: clientInboxPrefix(service),
    // A request that is handed back to its queue group must not come back to the sender.
    noEcho: true,
    noAsyncTraces: true,
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: PINGS_OUT_MAX,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    reconnectJitter: RECONNECT_JITTER_MS,
    ignoreAuthErrorAbort: true,
  };
}

/** Throws `NatsSetupError` when the server is too old or has no JetStream. */
export function checkServer(connection: NatsConnection): void {
  const version = connection.info?.version ?? '';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [wantedMajor, wantedMinor] = SERVER_VERSION_MIN;
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    const wanted = SERVER_VERSION_MIN.join('.');
    throw new NatsSetupError(`nats-server ${version} is too old: ${wanted} or newer is required`);
  }
  if (connection.info?.jetstream !== true) {
    throw new NatsSetupError('nats-server runs without JetStream, which is required');
  }
}

export class ConnectionKeeper {
  readonly #options: NatsBusOptions;
  readonly #turnEnd: TurnEnd;
  readonly #listeners: Listener[] = [];
  readonly #first = Promise.withResolvers<NatsConnection>();
  #connection: NatsConnection | undefined;
  #outage: string | undefined = 'NATS is not connected yet';
  #closing = false;

  private constructor(options: NatsBusOptions, turnEnd: TurnEnd) {
    this.#options = options;
    this.#turnEnd = turnEnd;
    this.#first.promise.catch(() => undefined);
  }

  /**
   * Resolves with the first connection, or without one after FIRST_CONNECT_WAIT_MS, to go on
   * trying. Throws `NatsSetupError` when the server refuses the user or is not fit for use.
   */
  static async open(options: NatsBusOptions, turnEnd: TurnEnd): Promise<ConnectionKeeper> {
    const keeper = new ConnectionKeeper(options, turnEnd);
    const waited = Promise.withResolvers<void>();
    const timer = setTimeout(waited.resolve, FIRST_CONNECT_WAIT_MS);
    const connecting = keeper.#connect();
    try {
      await Promise.race([connecting, waited.promise]);
    } finally {
      clearTimeout(timer);
    }
    connecting.catch((error: unknown) => options.logger?.fatal({ error }, 'NATS is not usable'));
    return keeper;
  }

  get outage(): string | undefined {
    return this.#outage;
  }

  /** Whether the bus ends the connection, and not an outage. */
  get isClosing(): boolean {
    return this.#closing;
  }

  /** Resolves with the first connection; rejects when there will be none. */
  get whenConnected(): Promise<NatsConnection> {
    return this.#first.promise;
  }

  /** The connection unless it is lost, for what may be lost with it. */
  get connection(): NatsConnection | undefined {
    return this.#outage === undefined ? this.#connection : undefined;
  }

  /** The connection, or a thrown `bus_unavailable`. */
  require(): NatsConnection {
    const { connection } = this;
    if (connection === undefined) throw this.unavailable();
    return connection;
  }

  unavailable(): GatewayError {
    return new GatewayError('bus_unavailable', 'The message bus is not available.', {
      detail: this.#outage ?? 'the connection was lost',
    });
  }

  /** `connected` is called at once when there is a connection already. */
  listen(listener: Listener): void {
    this.#listeners.push(listener);
    if (this.#connection !== undefined) listener.connected?.(this.#connection);
  }

  /** Resolves once the server knows the subscription; rejects when it is not allowed. */
  async subscribe(subject: string, options: SubscriptionOptions): Promise<Subscription> {
    const connection = await this.whenConnected;
    const subscription = connection.subscribe(subject, options);
    await connection.flush();
    if (!subscription.isClosed()) return subscription;
    throw new NatsSetupError(`NATS refuses the subscription to ${subject}`);
  }

  /** Ends a subscription after what the server has sent so far was received. */
  async unsubscribe(subscription: Subscription): Promise<void> {
    if (this.#outage === undefined) await subscription.drain().catch(() => undefined);
    else subscription.unsubscribe();
  }

  /** Sends what is buffered and closes. */
  async close(): Promise<void> {
    this.#closing = true;
    const wasUp = this.#outage === undefined;
    this.#outage = 'the bus is closed';
    this.#first.reject(this.unavailable());
    const connection = this.#connection;
    if (connection === undefined) return;
    if (wasUp) await withinCloseTimeout(connection.flush());
    this.#notifyLost();
    await withinCloseTimeout(connection.close());
  }

  async #connect(): Promise<void> {
    try {
      const connection = await this.#firstConnection();
      if (connection === undefined) return;
      checkServer(connection);
      writePerTurn(connection, this.#turnEnd);
      this.#connection = connection;
      this.#outage = undefined;
      void this.#watch(connection);
      for (const listener of this.#listeners) listener.connected?.(connection);
      this.#first.resolve(connection);
    } catch (error) {
      this.#outage = error instanceof Error ? error.message : String(error);
      this.#first.reject(error);
      throw error;
    }
  }

  async #firstConnection(): Promise<NatsConnection | undefined> {
    while (!this.#closing) {
      try {
        const connection = await connect(connectionOptions(this.#options));
        if (!this.#closing) return connection;
        await connection.close();
      } catch (error) {
        if (error instanceof AuthorizationError) {
          const { user } = this.#options;
          throw new NatsSetupError(`NATS refuses the user ${user ?? '(none)'}`, { cause: error });
        }
        this.#outage = `NATS is not connected yet: ${String(error)}`;
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_WAIT_MS));
      }
    }
    return undefined;
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (this.#closing) return;
      this.#heard(status);
    }
  }

  #heard(status: Status): void {
    const { logger } = this.#options;
    switch (status.type) {
      case 'disconnect':
        this.#outage = 'NATS is not connected';
        logger?.warn({ server: status.server }, 'NATS connection lost');
        this.#notifyLost();
        return;
      case 'reconnect':
        this.#outage = undefined;
        logger?.info({ server: status.server }, 'NATS connection restored');
        for (const listener of this.#listeners) listener.restored?.();
        return;
      case 'error':
        logger?.error({ error: status.error }, 'NATS reported an error');
        return;
    }
  }

  #notifyLost(): void {
    for (const listener of this.#listeners) listener.lost?.();
  }
}

/** A server that does not answer must not keep the process from ending. */
async function withinCloseTimeout(closing: Promise<unknown>): Promise<void> {
  const waited = Promise.withResolvers<void>();
  const timer = setTimeout(waited.resolve, CLOSE_TIMEOUT_MS);
  await Promise.race([closing.catch(() => undefined), waited.promise]);
  clearTimeout(timer);
}
