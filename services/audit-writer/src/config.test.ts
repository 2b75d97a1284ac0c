import { SettingsError } from '@gateway/runtime';
import { describe, expect, test } from 'vitest';
import { readSettings } from './config.ts';

describe('readSettings', () => {
  test('takes a URL as a secret', () => {
    const url = 'postgres://gateway:of-postgres@host/audit';
    const { database } = readSettings({ DATABASE_URL: url });
    if (!('url' in database)) throw new Error('expected a URL');
    expect(database.url.reveal()).toBe(url);
    expect(JSON.stringify(database)).not.toContain('of-postgres');
  });

  test('takes the parts of an address, most of them by default', () => {
    const parts = { POSTGRES_HOST: 'host', POSTGRES_PASSWORD: 'of-postgres' };
    const { database } = readSettings(parts);
    expect(database).toMatchObject({ host: 'host', port: 5432, user: 'gateway' });
    expect(database).toMatchObject({ database: 'gateway' });
    expect(JSON.stringify(database)).not.toContain('of-postgres');
  });

  test.each([
    [undefined, 30_000],
    ['0.1', 100],
  ])('takes a grace of %s as %i ms', (text, graceMs) => {
    const environment = { POSTGRES_HOST: 'host', AUDIT_GRACE_SECONDS: text };
    expect(readSettings(environment).graceMs).toBe(graceMs);
  });

  test.for([
    ['no grace', { POSTGRES_HOST: 'c', AUDIT_GRACE_SECONDS: '0.09' }, /AUDIT_GRACE/],
    ['no database', {}, /DATABASE_URL is required/],
    ['two', { DATABASE_URL: 'postgres://a/b', POSTGRES_HOST: 'c' }, /both set/],
    ['another protocol', { DATABASE_URL: 'mysql://a/b' }, /postgres:\/\/host/],
    ['a port too high', { POSTGRES_HOST: 'c', POSTGRES_PORT: '65536' }, /POSTGRES_PORT/],
  ] as const)('refuses %s', ([, environment, problem]) => {
    expect(() => readSettings(environment)).toThrow(SettingsError);
    expect(() => readSettings(environment)).toThrow(problem);
  });
});
