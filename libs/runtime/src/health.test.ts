import { describe, expect, test } from 'vitest';
import { HealthChecks } from './health.ts';

describe('HealthChecks', () => {
  test('is ready between the start and the drain alone', () => {
    const health = new HealthChecks();
    expect(health.readiness()).toEqual({ isReady: false, failing: { process: 'starting' } });
    health.markStarted();
    expect(health.readiness()).toEqual({ isReady: true, failing: {} });
    health.markDraining();
    health.markStarted();
    expect(health.readiness()).toEqual({ isReady: false, failing: { process: 'draining' } });
  });

  test('names each failing check with its reason, and hides what a check throws', () => {
    const health = new HealthChecks();
    health.markStarted();
    health.register('fine', () => true);
    health.register('bus', () => 'disconnected');
    health.within('cache').register('redis', () => {
      throw new Error('redis://:password@host');
    });
    expect(health.readiness()).toEqual({
      isReady: false,
      failing: { bus: 'disconnected', 'cache.redis': 'the check failed' },
    });
  });

  test('is ready with remarks, and tells them', () => {
    const health = new HealthChecks();
    health.markStarted();
    health.register('spool', () => ({ remark: '3 events wait' }));
    expect(health.readiness()).toEqual({
      isReady: true,
      failing: {},
      remarks: { spool: '3 events wait' },
    });
  });

  test('forgets a check that is disposed and refuses a second one of the same name', () => {
    const health = new HealthChecks();
    health.markStarted();
    const check = health.register('bus', () => 'disconnected');
    expect(() => health.register('bus', () => true)).toThrow('bus');
    check[Symbol.dispose]();
    expect(health.readiness().isReady).toBe(true);
  });
});
