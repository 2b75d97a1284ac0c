import { SettingsError } from '@gateway/runtime';
import { describe, expect, test } from 'vitest';
import { readSettings } from './config.ts';

describe('readSettings', () => {
  test('reads the address and the password of Redis as secrets', () => {
    const { store } = readSettings({ REDIS_URL: 'redis://host:1', REDIS_PASSWORD: 'of-redis' });
    if (store.kind !== 'redis') throw new Error('expected Redis');
    expect(store.url.reveal()).toBe('redis://host:1');
    expect(store.password?.reveal()).toBe('of-redis');
    expect(JSON.stringify(store)).not.toContain('of-redis');
  });

  test.for([
    ['no address', {}],
    ['another protocol', { REDIS_URL: 'http://host' }],
  ])('refuses %s', ([, environment]) => {
    expect(() => readSettings(environment as Record<string, string>)).toThrow(SettingsError);
  });
});
