/**
 * Windows and slots in Redis, one script call for a message, so that any number of replicas decide
 * as one.
 *
 * Each key has its scope as hash tag, but a request of several scopes touches several tags, which
 * Redis Cluster refuses: it wants one primary (with replicas and a failover address if need be).
 * Replication is asynchronous, so a failover may forget the last admissions, and a Redis that lost
 * its data starts with empty windows; renewals take the slots of running requests again. Keys must
 * not be evicted: `maxmemory-policy noeviction`.
 */
import {
  GatewayError,
  type HeldSlots,
  type ReserveReply,
  type ReserveRequest,
  SLOT_LEASE_MS,
} from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import {
  ADMISSION_MEMORY_MS,
  type LimitStore,
  RELEASE_MEMORY_MS,
  SCOPE_MEMBERS_MAX,
  SLOT_RETRY_AFTER_MS,
} from './limit-store.ts';
import { openRedis, type RedisConnection, type RedisSettings } from './redis-connection.ts';
import { RedisScript } from './redis-script.ts';

const reserveScript = new RedisScript('./reserve.lua');
const renewScript = new RedisScript('./renew.lua');
const releaseScript = new RedisScript('./release.lua');

export interface RedisLimitStoreOptions {
  readonly slotLeaseMs?: number;
}

export class RedisLimitStore implements LimitStore {
  readonly #connection: RedisConnection;
  readonly #slotLeaseMs: number;

  constructor(settings: RedisSettings, logger: Logger, options: RedisLimitStoreOptions = {}) {
    this.#connection = openRedis(settings, logger);
    this.#slotLeaseMs = options.slotLeaseMs ?? SLOT_LEASE_MS;
  }

  get outage(): string | undefined {
    return this.#connection.outage;
  }

  /** Resolves when the first attempt to reach Redis went well or not. */
  get tried(): Promise<void> {
    return this.#connection.tried;
  }

  async reserve(request: ReserveRequest): Promise<ReserveReply> {
    const { requestId, limits } = request;
    const keys = [`${keyPrefix(limits[0]?.scope ?? '')}:request:${requestId}`];
    const values = [requestId, ADMISSION_MEMORY_MS, this.#slotLeaseMs, SLOT_RETRY_AFTER_MS];
    for (const limit of limits) {
      const isWindow = limit.kind === 'requests';
      const { scope, amount } = limit;
      keys.push(isWindow ? `${keyPrefix(scope)}:requests:${limit.windowSeconds}` : slotsKey(scope));
      values.push(amount, isWindow ? limit.windowSeconds * 1000 : 0);
    }
    return this.#orUnavailable(async () =>
      toReply(request, await this.#run(reserveScript, keys, values)),
    );
  }

  async release({ requestId, scopes }: HeldSlots): Promise<void> {
    const values = [requestId, RELEASE_MEMORY_MS, SCOPE_MEMBERS_MAX];
    await this.#orUnavailable(() => this.#run(releaseScript, scopes.map(slotsKey), values));
  }

  async renew(held: readonly HeldSlots[]): Promise<void> {
    const scopes = [...new Set(held.flatMap((each) => each.scopes))];
    const indexes = new Map(scopes.map((scope, index) => [scope, index + 1]));
    const slots = held.flatMap((each) =>
      each.scopes.flatMap((scope) => [indexes.get(scope) ?? 0, each.requestId]),
    );
    const values = [this.#slotLeaseMs, SCOPE_MEMBERS_MAX, ...slots];
    await this.#orUnavailable(() => this.#run(renewScript, scopes.map(slotsKey), values));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection[Symbol.dispose]();
  }

  #run(
    script: RedisScript,
    keys: readonly string[],
    values: readonly (string | number)[],
  ): Promise<unknown> {
    return this.#connection.run((client) => script.run(client, keys, values));
  }

  async #orUnavailable<Result>(act: () => Promise<Result>): Promise<Result> {
    try {
      return await act();
    } catch (error) {
      throw new GatewayError('limiter_unavailable', 'The rate limiter is not available.', {
        detail: error instanceof Error ? error.message : String(error),
        cause: error,
      });
    }
  }
}

function keyPrefix(scope: string): string {
  return `rate-limit:{${scope}}`;
}

function slotsKey(scope: string): string {
  return `${keyPrefix(scope)}:concurrency`;
}

function toReply({ limits }: ReserveRequest, answer: unknown): ReserveReply {
  const expected = 3 + 2 * limits.length;
  if (!Array.isArray(answer) || answer.length !== expected || !answer.every(Number.isSafeInteger)) {
    throw new Error('the reservation script gave an answer of another form');
  }
  const [allowed, retryAfterMs, refused = 0, ...states] = answer as number[];
  const full = limits[refused - 1];
  return {
    allowed: allowed === 1,
    limits: limits.map(({ scope, kind, amount }, index) => ({
      scope,
      kind,
      amount,
      remaining: states[2 * index] ?? 0,
      resetMs: states[2 * index + 1] ?? 0,
    })),
    ...(full && { refusedBy: { scope: full.scope, kind: full.kind } }),
    ...(allowed !== 1 && retryAfterMs !== undefined && { retryAfterMs }),
  };
}
