import type { ErrorCode } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ProviderDialect } from './exchange.ts';
import { openExchange } from './open-exchange.ts';
import { RETRY_AFTER_MS_MAX } from './provider-error.ts';

function errorOf(
  provider: ProviderDialect,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
) {
  const request = { model: 'm', messages: [{ role: 'user', content: 'Hello' }] };
  const exchange = openExchange({
    client: 'chat',
    provider,
    body: new TextEncoder().encode(JSON.stringify(request)),
    model: 'm',
    stream: false,
    includeUsage: false,
  });
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return exchange.error(status, headers, new TextEncoder().encode(text));
}

const openai = (code: string | null, message = 'Something.', type = 'invalid_request_error') => ({
  error: { message, type, param: null, code },
});
const anthropic = (type: string, message = 'Something.') => ({
  type: 'error',
  error: { type, message },
});
const google = (status: string, message = 'Something.', details: unknown[] = []) => ({
  error: { code: 0, message, status, details },
});
const HTML = '<html><body><h1>502 Bad Gateway</h1></body></html>';

describe('an error of a provider', () => {
  test.each<[ProviderDialect, number, unknown, ErrorCode]>([
    ['chat', 401, openai('invalid_api_key'), 'provider_auth_failed'],
    ['chat', 403, openai(null), 'provider_auth_failed'],
    ['chat', 404, openai('model_not_found'), 'provider_model_not_found'],
    ['chat', 400, openai('model_not_found'), 'provider_model_not_found'],
    ['chat', 400, openai('unsupported_parameter'), 'provider_rejected'],
    ['chat', 400, openai('content_filter'), 'content_filtered'],
    ['chat', 402, openai(null, 'Insufficient Balance'), 'provider_quota_exhausted'],
    ['chat', 408, '', 'provider_timeout'],
    ['chat', 413, '', 'provider_rejected'],
    ['chat', 422, { detail: 'no' }, 'provider_rejected'],
    ['chat', 429, openai('rate_limit_exceeded', 'Slow down.', 'requests'), 'provider_rate_limited'],
    ['chat', 429, openai('insufficient_quota'), 'provider_quota_exhausted'],
    ['chat', 500, openai(null, 'Oops', 'server_error'), 'provider_unavailable'],
    ['chat', 502, HTML, 'provider_unavailable'],
    ['chat', 503, openai(null, 'overloaded', 'server_error'), 'provider_overloaded'],
    ['chat', 504, '', 'provider_timeout'],
    ['chat', 302, '', 'provider_bad_response'],
    ['chat', 418, 'null', 'provider_rejected'],
    ['chat', 400, { code: 'x', error: 'Incorrect argument' }, 'provider_rejected'],
    ['messages', 401, anthropic('authentication_error'), 'provider_auth_failed'],
    ['messages', 403, anthropic('permission_error'), 'provider_auth_failed'],
    ['messages', 404, anthropic('not_found_error'), 'provider_model_not_found'],
    ['messages', 400, anthropic('invalid_request_error'), 'provider_rejected'],
    [
      'messages',
      400,
      anthropic('invalid_request_error', 'Your credit balance is too low to access the API.'),
      'provider_quota_exhausted',
    ],
    ['messages', 429, anthropic('rate_limit_error'), 'provider_rate_limited'],
    ['messages', 500, anthropic('api_error'), 'provider_unavailable'],
    ['messages', 529, anthropic('overloaded_error'), 'provider_overloaded'],
    ['gemini', 400, google('INVALID_ARGUMENT'), 'provider_rejected'],
    [
      'gemini',
      400,
      google('INVALID_ARGUMENT', 'API key not valid.', [{ reason: 'API_KEY_INVALID' }]),
      'provider_auth_failed',
    ],
    ['gemini', 403, google('PERMISSION_DENIED'), 'provider_auth_failed'],
    ['gemini', 404, google('NOT_FOUND'), 'provider_model_not_found'],
    ['gemini', 429, google('RESOURCE_EXHAUSTED'), 'provider_rate_limited'],
    ['gemini', 429, [google('RESOURCE_EXHAUSTED')], 'provider_rate_limited'],
    ['gemini', 500, google('INTERNAL'), 'provider_unavailable'],
    ['gemini', 503, google('UNAVAILABLE'), 'provider_overloaded'],
    ['gemini', 504, google('DEADLINE_EXCEEDED'), 'provider_timeout'],
  ])('of %s with status %d and body %j is %s', (provider, status, body, code) => {
    const error = errorOf(provider, status, body);
    expect(error.code).toBe(code);
    expect(error.facts.upstreamStatus).toBe(status);
  });

  test("quotes the provider's words where the request is at fault", () => {
    const body = { error: { message: "Bad 'x'. Key sk-abcdef12", param: 'x', code: null } };
    const error = errorOf('chat', 400, body);
    expect(error.message).toBe("Bad 'x'. Key [removed]");
    expect(error.facts.param).toBe('x');
  });

  test.each([401, 429, 500, 503])('keeps the words of status %d to the log', (status) => {
    const error = errorOf('chat', status, openai(null, 'in project alpha'));
    expect(error.message).not.toContain('alpha');
    expect(error.facts.detail).toContain('alpha');
  });

  test.each<[ProviderDialect, unknown]>([
    ['chat', openai('context_length_exceeded')],
    ['chat', openai(null, "This model's maximum context length is 8192 tokens.")],
    ['messages', anthropic('invalid_request_error', 'prompt is too long: 250000 tokens > 200000')],
    [
      'gemini',
      google('INVALID_ARGUMENT', 'The input token count (9) exceeds the maximum number of tokens'),
    ],
  ])('of %s says that the context is too long: %j', (provider, body) => {
    expect(errorOf(provider, 400, body).facts.reason).toBe('context_length_exceeded');
  });

  test.each<[string, Record<string, string>, number | undefined]>([
    ['seconds', { 'retry-after': '13' }, 13_000],
    ['milliseconds', { 'retry-after-ms': '820' }, 820],
    ['the longer of two', { 'retry-after': '1', 'retry-after-ms': '0' }, 1000],
    [
      'a date, measured from the date of the answer',
      {
        'retry-after': 'Wed, 19 Aug 2026 14:35:00 GMT',
        date: 'Wed, 19 Aug 2026 14:34:30 GMT',
      },
      30_000,
    ],
    ['a date without another', { 'retry-after': 'Wed, 19 Aug 2026 14:35:00 GMT' }, undefined],
    ['the bound', { 'retry-after': '86400' }, RETRY_AFTER_MS_MAX],
    ['more than the bound', { 'retry-after': '86401' }, RETRY_AFTER_MS_MAX],
    ['nonsense', { 'retry-after': '-5' }, undefined],
    ['nothing', {}, undefined],
  ])('reads the wait from headers with %s', (_name, headers, expected) => {
    const error = errorOf('chat', 429, openai('rate_limit_exceeded'), headers);
    expect(error.facts.retryAfterMs).toBe(expected);
  });

  test("reads the wait from Google's details", () => {
    const body = google('RESOURCE_EXHAUSTED', 'Quota.', [
      { violations: [] },
      { retryDelay: '34.4s' },
    ]);
    expect(errorOf('gemini', 429, body).facts.retryAfterMs).toBe(34_400);
  });

  test('is read from any status and any body', () => {
    const dialect = fc.constantFrom<ProviderDialect>('chat', 'messages', 'gemini');
    const body = fc.oneof(
      fc.string(),
      fc.jsonValue(),
      fc.record({ error: fc.oneof(fc.jsonValue(), fc.record({ details: fc.jsonValue() })) }),
    );
    fc.assert(
      fc.property(dialect, fc.integer({ min: 300, max: 599 }), body, (provider, status, value) => {
        expect(errorOf(provider, status, value).code).toMatch(/^(?:provider_|content_filtered)/);
      }),
    );
  });
});
