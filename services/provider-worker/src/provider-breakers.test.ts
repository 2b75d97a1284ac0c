import { GatewayError } from '@gateway/protocol';
import { createLogger } from '@gateway/telemetry';
import { expect, test } from 'vitest';
import { FAILURES_MAX, OPEN_MIN_MS } from './breaker.ts';
import { BREAKERS_MAX, ProviderBreakers, resultOf } from './provider-breakers.ts';

const logger = createLogger('provider-worker', { level: 'silent' });
const failure = new GatewayError('provider_unavailable', 'It is away.');

function fail(breakers: ProviderBreakers, provider: string, model: string): void {
  for (let count = 0; count < FAILURES_MAX; count++) breakers.enter(provider, model).ended(failure);
}

test('a model that fails is refused, other models and providers are not', () => {
  const breakers = new ProviderBreakers(logger, () => 0);
  fail(breakers, 'a', 'm');
  expect(() => breakers.enter('a', 'm')).toThrowError(
    expect.objectContaining({
      code: 'provider_unavailable',
      mayFailOver: true,
      facts: { provider: 'a', reason: 'circuit_open', retryAfterMs: OPEN_MIN_MS },
    }),
  );
  breakers.enter('a', 'n').ended(undefined);
  breakers.enter('b', 'm').ended(undefined);
});

test('a trial that is being answered lets the others go', () => {
  let nowMs = 0;
  const breakers = new ProviderBreakers(logger, () => nowMs);
  fail(breakers, 'a', 'm');
  nowMs = OPEN_MIN_MS;
  const trial = breakers.enter('a', 'm');
  expect(() => breakers.enter('a', 'm')).toThrow();
  trial.answering();
  breakers.enter('a', 'm').ended(undefined);
});

test('an answer that only begins is no success before it is whole', () => {
  const breakers = new ProviderBreakers(logger, () => 0);
  for (let count = 0; count < FAILURES_MAX; count++) {
    const leave = breakers.enter('a', 'm');
    leave.answering();
    leave.ended(new GatewayError('stream_interrupted', 'It broke off.'));
  }
  expect(() => breakers.enter('a', 'm')).toThrow();
});

test('failures with refusals for the rate between them open it', () => {
  const breakers = new ProviderBreakers(logger, () => 0);
  const limited = new GatewayError('provider_rate_limited', 'Wait.', { upstreamStatus: 429 });
  for (let count = 0; count < FAILURES_MAX; count++) {
    breakers.enter('a', 'm').ended(limited);
    breakers.enter('a', 'm').ended(failure);
  }
  expect(() => breakers.enter('a', 'm')).toThrow();
});

test('one more than may be kept takes the place of one without failures, never of an open one', () => {
  const breakers = new ProviderBreakers(logger, () => 0);
  fail(breakers, 'a', 'open');
  for (let count = 1; count < FAILURES_MAX; count++) breakers.enter('a', 'failing').ended(failure);
  for (let count = 2; count < BREAKERS_MAX; count++)
    breakers.enter('a', `m${count}`).ended(undefined);
  expect(breakers.size).toBe(BREAKERS_MAX);
  for (let count = 0; count < BREAKERS_MAX; count++)
    breakers.enter('a', `made up ${count}`).ended(undefined);
  expect(breakers.size).toBe(BREAKERS_MAX);
  expect(() => breakers.enter('a', 'open')).toThrow();
  breakers.enter('a', 'failing').ended(failure);
  expect(() => breakers.enter('a', 'failing')).toThrow();
});

test('where all others have failed, closed ones go before open ones', () => {
  const breakers = new ProviderBreakers(logger, () => 0);
  fail(breakers, 'a', 'first');
  fail(breakers, 'a', 'second');
  for (let count = 2; count < BREAKERS_MAX; count++)
    breakers.enter('a', `m${count}`).ended(failure);
  fail(breakers, 'a', 'one more');
  expect(breakers.size).toBe(BREAKERS_MAX);
  for (const model of ['first', 'second', 'one more'])
    expect(() => breakers.enter('a', model)).toThrow();
});

test('where all are open, the one used longest ago goes', () => {
  const breakers = new ProviderBreakers(logger, () => 0);
  for (let count = 0; count <= BREAKERS_MAX; count++) fail(breakers, 'a', `m${count}`);
  expect(breakers.size).toBe(BREAKERS_MAX);
  expect(() => breakers.enter('a', 'm1')).toThrow();
  breakers.enter('a', 'm0').ended(undefined);
});

test.each([
  ['provider_unavailable', {}, 'failure'],
  ['provider_unavailable', { upstreamStatus: 500 }, 'failure'],
  ['provider_overloaded', { upstreamStatus: 529 }, 'failure'],
  ['provider_bad_response', { upstreamStatus: 200 }, 'failure'],
  ['stream_interrupted', {}, 'failure'],
  ['provider_timeout', { reason: 'connect_timeout' }, 'failure'],
  ['provider_timeout', { reason: 'first_byte_timeout' }, 'failure'],
  ['provider_timeout', { reason: 'idle_timeout' }, 'failure'],
  ['provider_timeout', { reason: 'total_timeout' }, 'neither'],
  ['provider_rate_limited', { upstreamStatus: 429 }, 'neither'],
  ['provider_timeout', { upstreamStatus: 408 }, 'neither'],
  ['provider_rejected', { upstreamStatus: 400 }, 'success'],
  ['provider_auth_failed', { upstreamStatus: 401 }, 'success'],
  ['client_closed', {}, 'neither'],
  ['deadline_exceeded', {}, 'neither'],
  ['shutting_down', {}, 'neither'],
  ['overloaded', {}, 'neither'],
  ['internal', {}, 'neither'],
] as const)('%s with %j is a %s', (code, facts, result) => {
  expect(resultOf(new GatewayError(code, 'Words.', facts))).toBe(result);
});

test('an answer without an error is a success', () => {
  expect(resultOf(undefined)).toBe('success');
});
