import { ERROR_CODES, type ErrorCode, GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import {
  type Failure,
  nextAttempt,
  PAUSE_MAX_MS,
  PROVIDER_WAIT_MAX_MS,
  type RetryState,
} from './retry-policy.ts';

const NOW = 1_000_000;

function failed(target: number, code: ErrorCode, fields: Partial<Failure> = {}): Failure {
  return { target, error: new GatewayError(code, 'Words.'), called: true, ...fields };
}

function limited(target: number, retryAfterMs: number): Failure {
  const error = new GatewayError('provider_rate_limited', 'Words.', { retryAfterMs });
  return failed(target, 'provider_rate_limited', { error });
}

function next(failures: readonly Failure[], state: Partial<RetryState> = {}) {
  const deadlineAt = NOW + 600_000;
  return nextAttempt({ targets: 1, failures, now: NOW, deadlineAt, random: 0.5, ...state });
}

const GIVE_UP = { kind: 'give-up' };
const tryNow = (target: number) => ({ kind: 'try', target, waitMs: 0, isBudgeted: false });
const tryAfter = (waitMs: number, target = 0) => ({
  kind: 'try',
  target,
  waitMs,
  isBudgeted: true,
});

describe('the next attempt', () => {
  test('is the first target, then the others in order and at once', () => {
    expect(next([], { targets: 3 })).toEqual(tryNow(0));
    const failures = [failed(0, 'provider_overloaded')];
    expect(next(failures, { targets: 3 })).toEqual(tryNow(1));
    failures.push(failed(1, 'provider_auth_failed'));
    expect(next(failures, { targets: 3 })).toEqual(tryNow(2));
  });

  test('repeats the target of a lost worker once, before the others', () => {
    const lost = failed(0, 'worker_lost');
    expect(next([lost], { targets: 2 })).toEqual(tryNow(0));
    expect(next([lost, lost], { targets: 2 })).toEqual(tryNow(1));
    expect(next([lost, lost, failed(1, 'worker_lost')], { targets: 2 })).toEqual(GIVE_UP);
    expect(next([failed(0, 'shutting_down', { called: false })])).toEqual(tryNow(0));
  });

  test('repeats one target after a pause when none is left', () => {
    const failures = [failed(0, 'provider_unavailable')];
    expect(next(failures, { random: 0 })).toEqual(tryAfter(0));
    expect(next(failures, { random: 1 })).toEqual(tryAfter(PAUSE_MAX_MS));
    failures.push(failed(0, 'provider_unavailable'));
    expect(next(failures)).toEqual(GIVE_UP);
  });

  test('repeats the one that can be asked first, as its provider says', () => {
    const random = 0;
    const failures = [limited(0, 3_000), limited(1, 2_000), failed(2, 'provider_auth_failed')];
    expect(next(failures, { targets: 3, random })).toEqual(tryAfter(2_000, 1));
    const alike = [limited(0, 2_000), limited(1, 2_000)];
    expect(next(alike, { targets: 2, random })).toEqual(tryAfter(2_000, 0));
    expect(next([limited(0, 2_000)])).toEqual(tryAfter(2_000 + PAUSE_MAX_MS / 2));
  });

  test('is none after a longer wait than is worth it', () => {
    const random = 0;
    expect(next([limited(0, PROVIDER_WAIT_MAX_MS)], { random })).toEqual(tryAfter(10_000));
    expect(next([limited(0, PROVIDER_WAIT_MAX_MS + 1)], { random })).toEqual(GIVE_UP);
  });

  test('is none at or past the deadline', () => {
    const random = 0;
    const [wait] = [limited(0, 2_000)];
    expect(next([wait], { random, deadlineAt: NOW + 2_001 })).toEqual(tryAfter(2_000));
    expect(next([wait], { random, deadlineAt: NOW + 2_000 })).toEqual(GIVE_UP);
    expect(next([wait], { targets: 2, deadlineAt: NOW })).toEqual(GIVE_UP);
  });

  test('is none after what no other attempt can mend', () => {
    for (const code of ERROR_CODES) {
      if (new GatewayError(code, '').mayFailOver) continue;
      expect(next([failed(0, code)], { targets: 2 }), code).toEqual(GIVE_UP);
    }
  });

  test('repeats no provider for what does not pass, and none that was not called', () => {
    const kept: ErrorCode[] = [
      'provider_auth_failed',
      'provider_model_not_found',
      'provider_quota_exhausted',
      'provider_bad_response',
      'provider_timeout',
      'no_responders',
      'unknown_target',
      'overloaded',
    ];
    for (const code of kept) expect(next([failed(0, code)]), code).toEqual(GIVE_UP);
    expect(next([failed(0, 'provider_overloaded', { called: false })])).toEqual(GIVE_UP);
  });

  test('comes at most once more often than there are targets', () => {
    for (const targets of [1, 2, 8]) {
      const failures: Failure[] = [];
      for (let attempt = next(failures, { targets }); attempt.kind === 'try'; ) {
        failures.push(failed(attempt.target, 'provider_overloaded'));
        attempt = next(failures, { targets });
      }
      expect(failures).toHaveLength(targets + 1);
    }
  });
});
