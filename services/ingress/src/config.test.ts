import { SettingsError } from '@gateway/runtime';
import { describe, expect, test } from 'vitest';
import { readIngressSettings, readSettings } from './config.ts';

const PEPPER = { GATEWAY_KEY_PEPPER: 'a-pepper-of-sixteen-characters' };

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    readSettings(environment);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe('readSettings', () => {
  test('needs nothing but the pepper', () => {
    expect(readSettings(PEPPER)).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      bodyBytesMax: 32 * 1024 * 1024,
      bufferedBytesMax: 512 * 1024 * 1024,
      connectionsMax: 20_000,
      connectionsPerAddressMax: 1_024,
      runningRequestsMax: 10_000,
      trustedProxies: [],
      bootstrapKeys: {},
    });
    expect(readIngressSettings({})).not.toHaveProperty('pepper');
  });

  test('tells every problem at once', () => {
    const problems = problemsOf({
      GATEWAY_PORT: 'http',
      GATEWAY_MAX_BODY_BYTES: '1023',
      GATEWAY_API_KEY: 'short',
      GATEWAY_CONFIG: '/nowhere/gateway.yaml',
      RATE_LIMIT_REQUESTS: '0',
      RATE_LIMIT_WINDOW: '-1',
    });
    const named = problems.map((problem) => problem.split(' ')[0]);
    expect(named).toEqual([
      'GATEWAY_PORT',
      'GATEWAY_MAX_BODY_BYTES',
      'GATEWAY_API_KEY',
      'RATE_LIMIT_REQUESTS',
      'RATE_LIMIT_WINDOW',
      'GATEWAY_CONFIG',
      'GATEWAY_KEY_PEPPER',
    ]);
  });

  test('takes body bounds from 1 KiB to 256 MiB', () => {
    for (const bytes of [1024, 256 * 1024 * 1024]) {
      const settings = readSettings({ ...PEPPER, GATEWAY_MAX_BODY_BYTES: String(bytes) });
      expect(settings.bodyBytesMax).toBe(bytes);
      const wrong = bytes === 1024 ? bytes - 1 : bytes + 1;
      expect(problemsOf({ ...PEPPER, GATEWAY_MAX_BODY_BYTES: String(wrong) })).toHaveLength(1);
    }
  });

  test('needs room for at least one body and its answer', () => {
    const body = { ...PEPPER, GATEWAY_MAX_BODY_BYTES: '2048' };
    expect(problemsOf({ ...body, GATEWAY_MAX_BUFFERED_BYTES: '4096' })).toEqual([]);
    expect(problemsOf({ ...body, GATEWAY_MAX_BUFFERED_BYTES: '4095' })).toEqual([
      'GATEWAY_MAX_BUFFERED_BYTES must be at least twice GATEWAY_MAX_BODY_BYTES',
    ]);
  });

  test('makes the limit of the environment that of every key', () => {
    const settings = readSettings({ ...PEPPER, RATE_LIMIT_REQUESTS: '5' });
    expect(settings.configuration.keyLimit).toEqual({ requests: 5, windowSeconds: 3600 });
    expect(readSettings(PEPPER).configuration.keyLimit).toBeUndefined();
  });

  const trusted = [
    '127.0.0.1',
    '10.0.0.0/8',
    '0.0.0.0/1',
    '::1',
    'fd00::/8',
    'loopback',
    'uniquelocal',
  ];
  test.for(trusted)('trusts the proxy %s', (proxy) => {
    const settings = readSettings({ ...PEPPER, GATEWAY_TRUSTED_PROXIES: `127.0.0.1, ${proxy}` });
    expect(settings.trustedProxies).toEqual(['127.0.0.1', proxy]);
  });

  const untrusted = [
    'true',
    '1',
    'proxy.example',
    '10.0.0.0/33',
    '10.0.0.0/0',
    '::/129',
    '10.0.0.1/',
    '10.0.0.0/8/8',
    '300.1.1.1',
  ];
  test.for(untrusted)('refuses the proxy %s with its position', (proxy) => {
    const problems = problemsOf({ ...PEPPER, GATEWAY_TRUSTED_PROXIES: `127.0.0.1,${proxy}` });
    expect(problems).toEqual([expect.stringMatching(/^GATEWAY_TRUSTED_PROXIES: value 2 must be /)]);
  });

  test('refuses keys that are the same, or that no client could send', () => {
    const key = 'a-key-of-sixteen-characters';
    expect(problemsOf({ ...PEPPER, GATEWAY_API_KEY: key, GATEWAY_ADMIN_KEY: key })).toEqual([
      'GATEWAY_API_KEY and GATEWAY_ADMIN_KEY must differ',
    ]);
    const unusable = [
      'with spaces in between',
      'gw_abcdefghijkl_x_00000000',
      'a'.repeat(513),
      'clé-de-seize-lettres',
    ];
    for (const text of unusable) {
      const problems = problemsOf({ ...PEPPER, GATEWAY_ADMIN_KEY: text });
      expect(problems).toEqual([
        expect.stringMatching(/^GATEWAY_ADMIN_KEY must be at most 512 visible/),
      ]);
      expect(problems.join()).not.toContain(text);
    }
    expect(problemsOf({ ...PEPPER, GATEWAY_ADMIN_KEY: 'a'.repeat(512) })).toEqual([]);
  });
});
