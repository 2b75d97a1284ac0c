import { SettingsError } from '@gateway/runtime';
import { describe, expect, test } from 'vitest';
import { readSettings } from './config.ts';

const nats = { NATS_URL: 'nats://host' };

describe('readSettings', () => {
  test('reads the address and the password of Redis as secrets', () => {
    const environment = { ...nats, REDIS_URL: 'redis://host:1', REDIS_PASSWORD: 'of-redis' };
    const { store } = readSettings(environment).limiter;
    if (store.kind !== 'redis') throw new Error('expected Redis');
    expect(store.url.reveal()).toBe('redis://host:1');
    expect(store.password?.reveal()).toBe('of-redis');
    expect(JSON.stringify(store)).not.toContain('of-redis');
  });

  test.for([
    ['no address', nats],
    ['another protocol', { ...nats, REDIS_URL: 'http://host' }],
    ['no bus', { REDIS_URL: 'redis://host' }],
  ])('refuses %s', ([, environment]) => {
    expect(() => readSettings(environment as Record<string, string>)).toThrow(SettingsError);
  });
});
