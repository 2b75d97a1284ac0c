/**
 * Windows in Redis, one script call for a request, so that any number of replicas decide as one.
 *
 * Each key has its scope as hash tag, but a request of several scopes touches several tags, which
 * Redis Cluster refuses: it wants one primary (with replicas and a failover address if need be).
 * Replication is asynchronous, so a failover may forget the last admissions, and a Redis that lost
 * its data starts with empty windows. Keys must not be evicted: `maxmemory-policy noeviction`.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { GatewayError, type ReserveReply, type ReserveRequest } from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import { ADMISSION_MEMORY_MS, type LimitStore } from './limit-store.ts';
import { openRedis, type RedisConnection, type RedisSettings } from './redis-connection.ts';

const script = readFileSync(new URL('./reserve.lua', import.meta.url), 'utf8');
const scriptSha = createHash('sha1').update(script).digest('hex');

export class RedisLimitStore implements LimitStore {
  readonly #connection: RedisConnection;

  constructor(settings: RedisSettings, logger: Logger) {
    this.#connection = openRedis(settings, logger);
  }

  get outage(): string | undefined {
    return this.#connection.outage;
  }

  async reserve(request: ReserveRequest): Promise<ReserveReply> {
    const { keys, values } = scriptArguments(request);
    try {
      return toReply(request, await this.#evaluate(keys, values));
    } catch (error) {
      throw new GatewayError('limiter_unavailable', 'The rate limiter is not available.', {
        detail: error instanceof Error ? error.message : String(error),
        cause: error,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection[Symbol.dispose]();
  }

  /** Redis forgets scripts over a restart or SCRIPT FLUSH; then it is taught again, once. */
  async #evaluate(keys: readonly string[], values: readonly number[]): Promise<unknown> {
    const { client } = this.#connection;
    try {
      return await client.evalsha(scriptSha, keys.length, ...keys, ...values);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      await client.script('LOAD', script);
      return await client.evalsha(scriptSha, keys.length, ...keys, ...values);
    }
  }
}

function scriptArguments({ requestId, limits }: ReserveRequest) {
  const scope = limits[0]?.scope ?? '';
  return {
    keys: [
      `rate-limit:{${scope}}:request:${requestId}`,
      ...limits.map((limit) => `rate-limit:{${limit.scope}}:${limit.kind}:${limit.windowSeconds}`),
    ],
    values: [
      ADMISSION_MEMORY_MS,
      ...limits.flatMap((limit) => [limit.amount, limit.windowSeconds * 1000]),
    ],
  };
}

function toReply({ limits }: ReserveRequest, answer: unknown): ReserveReply {
  const expected = 2 + 2 * limits.length;
  if (!Array.isArray(answer) || answer.length !== expected || !answer.every(Number.isSafeInteger)) {
    throw new Error('the reservation script gave an answer of another form');
  }
  const [allowed, retryAfterMs, ...states] = answer as number[];
  return {
    allowed: allowed === 1,
    limits: limits.map(({ scope, kind, amount }, index) => ({
      scope,
      kind,
      amount,
      remaining: states[2 * index] ?? 0,
      resetMs: states[2 * index + 1] ?? 0,
    })),
    ...(allowed !== 1 && retryAfterMs !== undefined && { retryAfterMs }),
  };
}
