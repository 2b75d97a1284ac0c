import {
  type Environment,
  type NatsSettings,
  parseSettings,
  readAllSettings,
  readNatsSettings,
  secret,
  secretUrl,
} from '@gateway/runtime';
import type { RateLimiterSettings } from './rate-limiter.ts';

export interface ProcessSettings {
  readonly nats: NatsSettings;
  readonly limiter: RateLimiterSettings;
}

/** Reads `NATS_*` and `REDIS_*`. Throws a `SettingsError` with everything that is wrong. */
export function readSettings(environment: Environment): ProcessSettings {
  return readAllSettings({
    nats: () => readNatsSettings(environment),
    limiter: () => readRateLimiterSettings(environment),
  });
}

function readRateLimiterSettings(environment: Environment): RateLimiterSettings {
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
