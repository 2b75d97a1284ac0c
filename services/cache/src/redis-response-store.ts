/**
 * Answers in Redis, each under its own key with an end. Give the cache a Redis of its own with
 * `maxmemory-policy allkeys-lru`: the limiter's must not evict, and one that is full for the cache
 * would be full for the limiter.
 *
 * A write to Redis, and the turn in which its answer is read, cost more than the commands in them.
 * So the lookups of a turn are one command, and stores, which nobody waits for, go with the next
 * lookups: ahead of them, so that these find what this process was given before.
 */
import { GatewayError } from '@gateway/protocol';
import { TurnBatch } from '@gateway/runtime';
import type { Logger } from '@gateway/telemetry';
import type { Redis } from 'ioredis';
import { openRedis, type RedisConnection, type RedisSettings } from './redis-connection.ts';
import {
  type ResponseAddress,
  type ResponseStore,
  type StoredResponse,
  storageKey,
} from './response-store.ts';
import { decodeResponse, encodeResponse } from './stored-form.ts';

/** Lookups of one command: all of them wait until the last byte of the last answer is there. */
export const LOOKUPS_PER_CALL_MAX = 16;
/** The longest that a store waits for a lookup to go with. */
export const STORE_DELAY_MS_MAX = 5;
/** Stores that wait for a lookup; with as many they go at once. */
export const STORES_WAITING_MAX = 16;

export class RedisResponseStore implements ResponseStore {
  readonly #connection: RedisConnection;
  readonly #lookups = new TurnBatch(LOOKUPS_PER_CALL_MAX, (keys: readonly string[]) =>
    this.#getAll(keys),
  );
  #storesWaiting: (() => void)[] = [];
  #storeTimer: NodeJS.Timeout | undefined;

  constructor(settings: RedisSettings, logger: Logger) {
    this.#connection = openRedis(settings, logger);
  }

  get outage(): string | undefined {
    return this.#connection.outage;
  }

  async get(address: ResponseAddress): Promise<StoredResponse | undefined> {
    const key = storageKey(address);
    try {
      const bytes = await this.#lookups.ask(key);
      return bytes ? decodeResponse(bytes) : undefined;
    } catch (error) {
      throw unavailable(error);
    }
  }

  async set(address: ResponseAddress, response: StoredResponse, ttlSeconds: number): Promise<void> {
    const key = storageKey(address);
    const bytes = encodeResponse(response);
    try {
      await this.#withNextLookups((client) => client.set(key, bytes, 'EX', ttlSeconds));
    } catch (error) {
      throw unavailable(error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#sendStores();
    this.#connection[Symbol.dispose]();
  }

  #getAll(keys: readonly string[]): Promise<readonly (Buffer | null)[]> {
    return this.#connection.inOneWrite(() => {
      this.#sendStores();
      return this.#connection.run(keys.length, (client) => client.mgetBuffer(...keys));
    });
  }

  #withNextLookups(command: (client: Redis) => Promise<unknown>): Promise<unknown> {
    return new Promise((resolve) => {
      const count = this.#storesWaiting.push(() => resolve(this.#connection.run(1, command)));
      if (count === STORES_WAITING_MAX) this.#sendStores();
      else this.#storeTimer ??= setTimeout(() => this.#sendStores(), STORE_DELAY_MS_MAX);
    });
  }

  #sendStores(): void {
    clearTimeout(this.#storeTimer);
    this.#storeTimer = undefined;
    const stores = this.#storesWaiting;
    if (stores.length === 0) return;
    this.#storesWaiting = [];
    this.#connection.inOneWrite(() => {
      for (const send of stores) send();
    });
  }
}

function unavailable(error: unknown): GatewayError {
  return new GatewayError('internal', 'The response cache is not available.', {
    detail: error instanceof Error ? error.message : String(error),
    cause: error,
  });
}
