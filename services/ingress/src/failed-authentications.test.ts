import { GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { FailedAuthentications } from './failed-authentications.ts';

function startCounting(options = {}) {
  const clock = { now: 1_000 };
  const failures = new FailedAuthentications({
    failuresMax: 3,
    windowMs: 60_000,
    now: () => clock.now,
    ...options,
  });
  const fail = (address = '203.0.113.7') => failures.add(address);
  return { clock, failures, fail };
}

describe('failed authentications', () => {
  test('are taken up to the bound and refused past it', () => {
    const { fail, clock } = startCounting();
    for (const second of [0, 1, 2]) {
      clock.now = 1_000 + second * 1_000;
      expect(fail()).toBeUndefined();
    }
    const refusal = fail();
    expect(refusal).toBeInstanceOf(GatewayError);
    expect(refusal?.code).toBe('rate_limited');
    expect(refusal?.facts.retryAfterMs).toBe(58_000);
  });

  test('slide out of the window one by one', () => {
    const { fail, clock } = startCounting();
    for (const second of [0, 10, 20]) {
      clock.now = second * 1_000;
      fail();
    }
    clock.now = 59_999;
    expect(fail()).toBeDefined();
    clock.now = 60_000;
    expect(fail()).toBeUndefined();
    expect(fail()).toBeDefined();
  });

  test('of one address say nothing of another', () => {
    const { fail } = startCounting({ failuresMax: 1 });
    fail('203.0.113.7');
    expect(fail('203.0.113.7')).toBeDefined();
    expect(fail('203.0.113.8')).toBeUndefined();
  });

  test('are counted together within an IPv6 /64', () => {
    const { fail } = startCounting({ failuresMax: 1 });
    fail('2001:db8:1:2::1');
    expect(fail('2001:db8:1:2:ffff::9')).toBeDefined();
    expect(fail('2001:db8:1:3::1')).toBeUndefined();
  });

  test('are remembered of so many addresses and of no more', () => {
    const { fail, failures } = startCounting({ failuresMax: 1, addressesMax: 2 });
    fail('10.0.0.1');
    fail('10.0.0.2');
    expect(failures.size).toBe(2);
    expect(fail('10.0.0.1')).toBeDefined();
    fail('10.0.0.3');
    expect(failures.size).toBe(2);
    expect(fail('10.0.0.2')).toBeDefined();
    expect(fail('10.0.0.1')).toBeUndefined();
  });
});
