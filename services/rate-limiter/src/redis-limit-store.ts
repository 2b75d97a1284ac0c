/**
 * Windows and slots in Redis, one script call for the messages of a turn, so that any number of
 * replicas decide as one.
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
import { TurnBatch } from '@gateway/runtime';
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

/** Reservations or releases of one call: Redis does nothing else meanwhile, 10 µs for each. */
export const MESSAGES_PER_CALL_MAX = 64;

export interface RedisLimitStoreOptions {
  readonly slotLeaseMs?: number;
}

export class RedisLimitStore implements LimitStore {
  readonly #connection: RedisConnection;
  readonly #slotLeaseMs: number;
  readonly #reservations = new TurnBatch(
    MESSAGES_PER_CALL_MAX,
    (requests: readonly ReserveRequest[]) => this.#reserveAll(requests),
  );
  readonly #releases = new TurnBatch(MESSAGES_PER_CALL_MAX, (held: readonly HeldSlots[]) =>
    this.#releaseAll(held),
  );

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
    try {
      return toReply(request, await this.#reservations.ask(request));
    } catch (error) {
      throw unavailable(error);
    }
  }

  async release(held: HeldSlots): Promise<void> {
    try {
      await this.#releases.ask(held);
    } catch (error) {
      throw unavailable(error);
    }
  }

  async renew(held: readonly HeldSlots[]): Promise<void> {
    const { keys, values } = slotsOf(held);
    try {
      await this.#run(1, renewScript, keys, [this.#slotLeaseMs, SCOPE_MEMBERS_MAX, ...values]);
    } catch (error) {
      throw unavailable(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection[Symbol.dispose]();
  }

  async #reserveAll(requests: readonly ReserveRequest[]): Promise<unknown[]> {
    const keys: string[] = [];
    const values: (string | number)[] = [
      ADMISSION_MEMORY_MS,
      this.#slotLeaseMs,
      SLOT_RETRY_AFTER_MS,
    ];
    for (const { requestId, limits } of requests) {
      keys.push(`${keyPrefix(limits[0]?.scope ?? '')}:request:${requestId}`);
      values.push(requestId, limits.length);
      for (const limit of limits) {
        const isWindow = limit.kind === 'requests';
        keys.push(isWindow ? windowKey(limit.scope, limit.windowSeconds) : slotsKey(limit.scope));
        values.push(limit.amount, isWindow ? limit.windowSeconds * 1000 : 0);
      }
    }
    const answers = await this.#run(requests.length, reserveScript, keys, values);
    if (Array.isArray(answers) && answers.length === requests.length) return answers;
    throw new Error('the reservation script gave an answer of another form');
  }

  async #releaseAll(held: readonly HeldSlots[]): Promise<undefined[]> {
    const { keys, values } = slotsOf(held);
    const all = [RELEASE_MEMORY_MS, SCOPE_MEMBERS_MAX, ...values];
    await this.#run(held.length, releaseScript, keys, all);
    return held.map(() => undefined);
  }

  #run(
    messages: number,
    script: RedisScript,
    keys: readonly string[],
    values: readonly (string | number)[],
  ): Promise<unknown> {
    return this.#connection.run(messages, (client) => script.run(client, keys, values));
  }
}

function unavailable(error: unknown): GatewayError {
  return new GatewayError('limiter_unavailable', 'The rate limiter is not available.', {
    detail: error instanceof Error ? error.message : String(error),
    cause: error,
  });
}

/** The slots of each scope, and as values which of them each request holds. */
function slotsOf(held: readonly HeldSlots[]) {
  const scopes = [...new Set(held.flatMap((each) => each.scopes))];
  const indexes = new Map(scopes.map((scope, index) => [scope, index + 1]));
  const values = held.flatMap((each) =>
    each.scopes.flatMap((scope) => [indexes.get(scope) ?? 0, each.requestId]),
  );
  return { keys: scopes.map(slotsKey), values };
}

function keyPrefix(scope: string): string {
  return `rate-limit:{${scope}}`;
}

function windowKey(scope: string, windowSeconds: number): string {
  return `${keyPrefix(scope)}:requests:${windowSeconds}`;
}

function slotsKey(scope: string): string {
  return `${keyPrefix(scope)}:concurrency`;
}

/** The answer of `reserve.lua` to one request. */
function toReply({ limits }: ReserveRequest, answer: unknown): ReserveReply {
  const [allowed, retryAfterMs = 0, refused = 0, ...states] = String(answer).split(' ').map(Number);
  if (states.length !== 2 * limits.length || !states.every(Number.isSafeInteger)) {
    throw new Error(`the reservation script answered: ${answer}`);
  }
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
    ...(allowed !== 1 && { retryAfterMs }),
  };
}
