import { describe, expect, test } from 'vitest';
import { storageKey } from './response-store.ts';

const key = 'a0'.repeat(32);

describe('storageKey', () => {
  test('names the tenant and the hash', () => {
    expect(storageKey({ tenant: 'acme', key })).toBe(`cache:acme:${key}`);
  });

  test.for([
    ['an empty tenant', '', key],
    ['a tenant with a colon', 'acme:b', key],
    ['a tenant with a line break', 'acme\n', key],
    ['a tenant of 65 characters', 'a'.repeat(65), key],
    ['a key in capitals', 'acme', key.toUpperCase()],
    ['a key that is too long', 'acme', `${key}0`],
    ['a key with a line break', 'acme', `${key}\n`],
  ])('refuses %s', ([, tenant = '', wrongKey = '']) => {
    expect(() => storageKey({ tenant, key: wrongKey })).toThrow('not well formed');
  });
});
