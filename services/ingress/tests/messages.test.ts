import { GatewayError, PASSED_HEADER_CHARACTERS_MAX } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import {
  attemptedBy,
  CLIENT_KEY,
  type Harness,
  openAnswer,
  startHarness,
  type WorkerCall,
} from './ingress-harness.ts';

const MESSAGE = { model: 'one-target', max_tokens: 5, messages: [{ role: 'user', content: 'Hi' }] };

function post(
  { origin }: Harness,
  fields: object = {},
  headers: Record<string, string> = { 'x-api-key': CLIENT_KEY },
): Promise<Response> {
  return fetch(`${origin}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ ...MESSAGE, ...fields }),
  });
}

/** The error of an answer, after a check that it has the shape of Anthropic's. */
async function errorOf(response: Response): Promise<readonly [number, string]> {
  const body = (await response.json()) as { error: { type: string } };
  expect(body).toEqual({
    type: 'error',
    error: { type: expect.any(String), message: expect.stringMatching(/./) },
    request_id: response.headers.get('x-request-id'),
  });
  return [response.status, body.error.type];
}

function failing(error: GatewayError) {
  return async (call: WorkerCall) => {
    call.accept();
    await call.fail(error, attemptedBy(call));
  };
}

describe('POST /v1/messages', () => {
  test.each([
    ['x-api-key', { 'x-api-key': CLIENT_KEY }],
    ['a bearer', { authorization: `Bearer ${CLIENT_KEY}` }],
  ])('takes a key as %s', async (_name, headers) => {
    const calls: WorkerCall['request'][] = [];
    const gateway = await startHarness({
      worker: async (call) => {
        calls.push(call.request);
        openAnswer(call);
        await call.data(Buffer.from('{}'));
        await call.end(attemptedBy(call));
      },
    });
    const response = await post(gateway, {}, headers);
    expect([response.status, await response.text()]).toEqual([200, '{}']);
    expect(calls).toMatchObject([{ dialect: 'messages', stream: false, includeUsage: true }]);
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ endpoint: '/v1/messages', status: 200, ended: 'complete' });
  });

  test('passes on which version and beta flags the client speaks, and no other header', async () => {
    const calls: WorkerCall['request'][] = [];
    const gateway = await startHarness({
      worker: async (call) => {
        calls.push(call.request);
        openAnswer(call);
        await call.end(attemptedBy(call));
      },
    });
    const passed = { 'anthropic-version': '2026-10-21', 'anthropic-beta': 'a-1,b-2' };
    await post(gateway, {}, { 'x-api-key': CLIENT_KEY, ...passed, 'anthropic-other': 'x' });
    expect(calls.map(({ headers }) => headers)).toEqual([passed]);
  });

  test.each([
    [PASSED_HEADER_CHARACTERS_MAX, 200],
    [PASSED_HEADER_CHARACTERS_MAX + 1, 400],
  ])('with beta flags of %d characters answers %d', async (length, status) => {
    const gateway = await startHarness();
    const headers = { 'x-api-key': CLIENT_KEY, 'anthropic-beta': 'a'.repeat(length) };
    expect((await post(gateway, {}, headers)).status).toBe(status);
  });

  test('never gives an answer of one version to a client of another', async () => {
    const keys: string[] = [];
    const gateway = await startHarness({
      cache: async ({ value }) => {
        keys.push(value.key);
        return { value: {} };
      },
    });
    for (const version of ['2023-06-01', '2026-10-21']) {
      const headers = { 'x-api-key': CLIENT_KEY, 'anthropic-version': version };
      await post(gateway, { temperature: 0 }, headers);
    }
    expect(new Set(keys).size).toBe(2);
  });

  test.each<[string, object, Record<string, string> | undefined, number, string]>([
    ['no key', {}, {}, 401, 'authentication_error'],
    ['a wrong key', {}, { 'x-api-key': 'wrong' }, 401, 'authentication_error'],
    ['no limit of tokens', { max_tokens: null }, undefined, 400, 'invalid_request_error'],
    ['a model that is not there', { model: 'none' }, undefined, 404, 'not_found_error'],
    ['a body that is too large', { system: 'a'.repeat(3000) }, undefined, 413, 'request_too_large'],
  ])('refuses %s in the terms of its clients', async (_name, fields, headers, status, type) => {
    const gateway = await startHarness({ environment: { GATEWAY_MAX_BODY_BYTES: '2048' } });
    expect(await errorOf(await post(gateway, fields, headers))).toEqual([status, type]);
  });

  test.each<[GatewayError['code'], number, string]>([
    ['provider_rejected', 400, 'invalid_request_error'],
    ['provider_auth_failed', 502, 'api_error'],
    ['provider_rate_limited', 429, 'rate_limit_error'],
    ['provider_unavailable', 502, 'api_error'],
    ['provider_overloaded', 529, 'overloaded_error'],
    ['provider_timeout', 504, 'timeout_error'],
  ])('says %s as %d %s', async (code, status, type) => {
    const gateway = await startHarness({ worker: failing(new GatewayError(code, 'No.')) });
    const response = await post(gateway);
    expect(response.headers.get('x-should-retry')).toBe('false');
    expect(await errorOf(response)).toEqual([status, type]);
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ status, errorCode: code });
  });

  test('does not say that a stream is whole before its attempt is on record', async () => {
    const gateway = await startHarness({
      worker: async (call) => {
        openAnswer(call);
        await call.data(Buffer.from('event: ping\ndata: {"type":"ping"}\n\n'));
        await call.data(Buffer.from('event: message_stop\ndata: {"type":"message_stop"}\n\n'));
        await call.fail(new GatewayError('stream_interrupted', 'No.'), attemptedBy(call));
      },
    });
    const response = await post(gateway, { stream: true });
    const pieces: string[] = [];
    const reading = async () => {
      for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? [])
        pieces.push(text);
    };
    await expect(reading()).rejects.toThrow();
    expect(pieces.join('')).toMatch(/^event: ping\n.*\n\nevent: error\n.*\n\n$/);
  });

  test('says an error inside a stream as an event, and does not end it cleanly', async () => {
    const start = 'event: message_start\ndata: {"type":"message_start"}\n\n';
    const gateway = await startHarness({
      worker: async (call) => {
        openAnswer(call);
        await call.data(Buffer.from(start));
        const error = new GatewayError('provider_overloaded', 'The provider is overloaded.');
        await call.fail(error, attemptedBy(call));
      },
    });
    const response = await post(gateway, { stream: true });
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let said = '';
    const read = async () => {
      for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
        said += part.value;
      }
    };
    await expect(read()).rejects.toThrow('terminated');
    const error = { type: 'overloaded_error', message: 'The provider is overloaded.' };
    const request_id = response.headers.get('x-request-id');
    expect(said).toBe(
      `${start}event: error\ndata: ${JSON.stringify({ type: 'error', error, request_id })}\n\n`,
    );
  });
});
