import { type Environment, parseSettings, secret, secretUrl } from '@gateway/runtime';
import type { CacheSettings } from './cache.ts';

/** Reads REDIS_URL and REDIS_PASSWORD, each also as NAME_FILE. Throws a `SettingsError`. */
export function readSettings(environment: Environment): CacheSettings {
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
