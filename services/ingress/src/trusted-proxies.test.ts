import { describe, expect, test } from 'vitest';
import { trustedProxies } from './trusted-proxies.ts';

describe('trusted proxies', () => {
  test.for([
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1', '::ffff:10.0.0.1', true],
    ['10.0.0.1', '10.0.0.2', false],
    ['10.0.0.0/8', '10.255.0.2', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['2001:db8::/32', '2001:db8:5::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['loopback', '::1', true],
    ['loopback', '127.1.2.3', true],
    ['uniquelocal', '192.168.4.4', true],
    ['linklocal', '192.168.4.4', false],
    ['loopback', 'no address', false],
    ['loopback', '', false],
  ] as const)('%s and %s: %s', ([proxy, address, isTrusted]) => {
    expect(trustedProxies([proxy])(address)).toBe(isTrusted);
  });

  test('are none where none is named', () => {
    expect(trustedProxies([])('127.0.0.1')).toBe(false);
  });
});
