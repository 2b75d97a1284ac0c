import {
  type Environment,
  type NatsSettings,
  parseSettings,
  readAllSettings,
  readNatsSettings,
  secret,
  secretUrl,
} from '@gateway/runtime';
import type { CacheSettings } from './cache.ts';

export interface ProcessSettings {
  readonly nats: NatsSettings;
  readonly cache: CacheSettings;
}

/** Reads `NATS_*` and `REDIS_*`. Throws a `SettingsError` with everything that is wrong. */
export function readSettings(environment: Environment): ProcessSettings {
  return readAllSettings({
    nats: () => readNatsSettings(environment),
    cache: () => readCacheSettings(environment),
  });
}

function readCacheSettings(environment: Environment): CacheSettings {
  const { url, password } = parseSettings(
    {
      url: secretUrl('REDIS_URL', {
        protocols: ['redis', 'rediss'],
        description: 'the Redis that keeps answers, best one of its own with allkeys-lru',
      }),
      password: secret('REDIS_PASSWORD', {
        optional: true,
        description: 'the password of Redis when REDIS_URL holds none',
      }),
    },
    environment,
  );
  return { store: { kind: 'redis', url, password } };
}
