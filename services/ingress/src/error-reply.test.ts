import { ERROR_CODES, GatewayError } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { errorBody, errorEvent, errorHeaders } from './error-reply.ts';

describe('errorBody', () => {
  test.for(ERROR_CODES)('has all four fields for %s', (code) => {
    expect(errorBody(new GatewayError(code, 'Words.'))).toEqual({
      error: {
        message: 'Words.',
        type: expect.stringMatching(/^[a-z_]+$/),
        param: null,
        code: expect.stringMatching(/^[a-z_]+$/),
      },
    });
  });

  test('shows the finer reason and the field, and nothing that is for the log', () => {
    const facts = { reason: 'json_too_deep', param: 'messages', detail: 'secret', cause: 'secret' };
    expect(errorBody(new GatewayError('invalid_request', 'Words.', facts))).toEqual({
      error: {
        message: 'Words.',
        type: 'invalid_request_error',
        param: 'messages',
        code: 'json_too_deep',
      },
    });
  });
});

describe('errorHeaders', () => {
  const of = (code: (typeof ERROR_CODES)[number], attempts = 0, retryAfterMs?: number) =>
    errorHeaders(
      new GatewayError(code, 'Words.', { ...(retryAfterMs !== undefined && { retryAfterMs }) }),
      attempts,
    );

  test('tell a client not to repeat what cannot pass by itself', () => {
    expect(of('provider_auth_failed')['x-should-retry']).toBe('false');
    expect(of('overloaded')['x-should-retry']).toBeUndefined();
    expect(of('provider_unavailable', 1)['x-should-retry']).toBe('false');
    expect(of('invalid_request')['x-should-retry']).toBeUndefined();
  });

  test('say when to come again with every 429 and 503 but those of a spent budget', () => {
    for (const code of ERROR_CODES) {
      const { status } = new GatewayError(code, '');
      const isSpent = code === 'quota_exhausted' || code === 'provider_quota_exhausted';
      expect('retry-after' in of(code)).toBe((status === 429 || status === 503) && !isSpent);
      expect(of(code)['cache-control']).toBe('no-store');
    }
  });

  test.for([
    [undefined, '1', '1000'],
    [0, '1', '1'],
    [0.2, '1', '1'],
    [1000, '1', '1000'],
    [1001, '2', '1001'],
  ] as const)('round %s ms up to whole seconds', ([retryAfterMs, seconds, milliseconds]) => {
    const headers = of('rate_limited', 0, retryAfterMs);
    expect(headers).toMatchObject({ 'retry-after': seconds, 'retry-after-ms': milliseconds });
  });

  test('tell clients not to repeat what was tried already or cannot help', () => {
    expect(of('provider_overloaded', 1)['x-should-retry']).toBe('false');
    expect(of('quota_exhausted')['x-should-retry']).toBe('false');
    expect(of('worker_lost', 2)['x-should-retry']).toBe('false');
  });

  test.for([
    'no_responders',
    'bus_unavailable',
    'audit_unavailable',
    'limiter_unavailable',
    'overloaded',
    'shutting_down',
    'unknown_target',
  ] as const)('leave %s to the client to try again, whatever was tried', (code) => {
    for (const attempts of [0, 1]) {
      expect(of(code, attempts)).not.toHaveProperty('x-should-retry');
      expect(of(code, attempts)).toMatchObject({ 'retry-after': '1' });
    }
  });
});

test('errorEvent is one event', () => {
  const event = errorEvent(new GatewayError('stream_interrupted', 'Line one.\n\nLine two.'));
  expect(event).toMatch(/^data: [^\n]+\n\n$/);
  expect(JSON.parse(event.slice(6))).toMatchObject({ error: { code: 'stream_interrupted' } });
});
