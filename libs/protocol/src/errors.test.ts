import { expect, test } from 'vitest';
import {
  ERROR_CODES,
  ERRORS,
  errorFromWire,
  errorToWire,
  GatewayError,
  toGatewayError,
} from './errors.ts';

test('every code survives the bus with its public facts', () => {
  for (const code of ERROR_CODES) {
    const facts = {
      reason: 'finer',
      param: 'model',
      retryAfterMs: 5,
      provider: 'openai',
      upstreamStatus: 529,
    };
    const restored = errorFromWire(errorToWire(new GatewayError(code, 'said', facts)));
    expect(restored.code).toBe(code);
    expect(restored.message).toBe('said');
    expect(restored.facts).toEqual(facts);
  }
});

test('details and causes stay in the process', () => {
  const error = new GatewayError('internal', 'said', {
    detail: 'secret',
    cause: new Error('secret'),
  });
  expect(JSON.stringify(errorToWire(error))).not.toContain('secret');
});

test('a code of a newer peer becomes internal', () => {
  const error = errorFromWire({ code: 'from_the_future', message: 'said' });
  expect(error.code).toBe('internal');
  expect(error.facts.detail).toContain('from_the_future');
});

test('anything thrown becomes an error that tells a client nothing of it', () => {
  const error = toGatewayError(new TypeError('x is undefined'));
  expect(error.code).toBe('internal');
  expect(error.message).not.toContain('undefined');
  expect(error.facts.detail).toBe('x is undefined');
  expect(toGatewayError(error)).toBe(error);
});

test('a credential of ours that a provider refuses never looks like the client’s', () => {
  expect(ERRORS.provider_auth_failed.status).toBe(502);
});

test('what a client did wrong is never tried on another target', () => {
  for (const [code, row] of Object.entries(ERRORS)) {
    if (row.origin === 'client') expect([code, row.failover]).toEqual([code, false]);
  }
});
