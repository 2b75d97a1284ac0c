import { GatewayError } from '@gateway/protocol';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LoadGuard, type LoadGuardOptions } from './load-guard.ts';
import type { LoadSample } from './load-state.ts';

function startGuard(options: Partial<LoadGuardOptions> = {}): LoadGuard {
  const guard = new LoadGuard({ runningMax: 2, ...options });
  onTestFinished(() => guard[Symbol.dispose]());
  return guard;
}

function refusalOf(guard: LoadGuard): GatewayError | undefined {
  try {
    guard.admit();
    return undefined;
  } catch (error) {
    return error as GatewayError;
  }
}

describe('the load guard', () => {
  test('lets so many requests run and not one more', () => {
    const guard = startGuard();
    guard.begin();
    expect(refusalOf(guard)).toBeUndefined();
    guard.begin();
    const refusal = refusalOf(guard);
    expect(refusal).toBeInstanceOf(GatewayError);
    expect(refusal).toMatchObject({ code: 'overloaded', facts: { detail: 'running' } });
    expect(refusal?.facts.retryAfterMs).toBeGreaterThan(0);
    guard.end();
    expect(guard.running).toBe(1);
    expect(refusalOf(guard)).toBeUndefined();
  });

  test.for([
    ['lag', { lagMs: 501, heapShare: 0.1 }],
    ['heap', { lagMs: 0, heapShare: 0.95 }],
  ] as const)('refuses requests because of the %s until it is calm', ([reason, load]) => {
    let sample: LoadSample = load;
    const guard = startGuard({ sampleFrom: () => sample });
    guard.sample();
    guard.sample();
    expect(refusalOf(guard)).toMatchObject({ facts: { detail: reason } });
    sample = { lagMs: 0, heapShare: 0.1 };
    guard.sample();
    expect(refusalOf(guard)).toBeUndefined();
  });

  test('measures its own process', () => {
    const guard = startGuard();
    guard.sample();
    expect(refusalOf(guard)).toBeUndefined();
    expect(guard.closesConnections).toBe(false);
  });
});
