/**
 * Answers in Redis, each under its own key with an end. Give the cache a Redis of its own with
 * `maxmemory-policy allkeys-lru`: the limiter's must not evict, and one that is full for the cache
 * would be full for the limiter.
 */
import { GatewayError } from '@gateway/protocol';
import type { Logger } from '@gateway/telemetry';
import { openRedis, type RedisConnection, type RedisSettings } from './redis-connection.ts';
import {
  type ResponseAddress,
  type ResponseStore,
  type StoredResponse,
  storageKey,
} from './response-store.ts';
import { decodeResponse, encodeResponse } from './stored-form.ts';

export class RedisResponseStore implements ResponseStore {
  readonly #connection: RedisConnection;

  constructor(settings: RedisSettings, logger: Logger) {
    this.#connection = openRedis(settings, logger);
  }

  get outage(): string | undefined {
    return this.#connection.outage;
  }

  async get(address: ResponseAddress): Promise<StoredResponse | undefined> {
    const key = storageKey(address);
    const bytes = await orUnavailable(() =>
      this.#connection.run((client) => client.getBuffer(key)),
    );
    return bytes ? decodeResponse(bytes) : undefined;
  }

  async set(address: ResponseAddress, response: StoredResponse, ttlSeconds: number): Promise<void> {
    const key = storageKey(address);
    const bytes = encodeResponse(response);
    await orUnavailable(() =>
      this.#connection.run((client) => client.set(key, bytes, 'EX', ttlSeconds)),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#connection[Symbol.dispose]();
  }
}

async function orUnavailable<Result>(command: () => Promise<Result>): Promise<Result> {
  try {
    return await command();
  } catch (error) {
    throw new GatewayError('internal', 'The response cache is not available.', {
      detail: error instanceof Error ? error.message : String(error),
      cause: error,
    });
  }
}
