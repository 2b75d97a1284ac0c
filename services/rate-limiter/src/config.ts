import { type Environment, parseSettings, secret, secretUrl } from '@gateway/runtime';
import type { RateLimiterSettings } from './rate-limiter.ts';

/** Reads REDIS_URL and REDIS_PASSWORD, each also as NAME_FILE. Throws a `SettingsError`. */
export function readSettings(environment: Environment): RateLimiterSettings {
  const { url, password } = parseSettings(
    {
      url: secretUrl('REDIS_URL', {
        protocols: ['redis', 'rediss'],
        description: 'the Redis that counts requests; 7.0 or newer, with noeviction',
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
