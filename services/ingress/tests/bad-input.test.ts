import { describe, expect, test } from 'vitest';
import {
  ADMIN_KEY,
  CLIENT_KEY,
  chat,
  errorOf,
  type Harness,
  startHarness,
} from './ingress-harness.ts';

const BODY_BYTES_MAX = 4096;
const limits = { environment: { GATEWAY_MAX_BODY_BYTES: String(BODY_BYTES_MAX) } };

function expectNothingReached({ reached }: Harness): void {
  expect(reached).toEqual({ limiter: 0, cache: 0, worker: 0 });
}

/** A request of exactly so many bytes. */
function sized(bytes: number): Buffer {
  const empty = JSON.stringify(chat({ user: '' }));
  return Buffer.from(JSON.stringify(chat({ user: 'a'.repeat(bytes - empty.length) })));
}

/** A request with a value that makes the whole so deep. */
function deep(levels: number): string {
  const open = '['.repeat(levels - 1);
  return JSON.stringify(chat({ metadata: 0 })).replace(
    '"metadata":0',
    `"x":${open}${']'.repeat(levels - 1)}`,
  );
}

describe('a body', () => {
  const cases: [name: string, body: string | Buffer, code: string, param?: string][] = [
    ['empty', '', 'invalid_json'],
    ['cut off', '{"model":', 'invalid_json'],
    ['with a trailing comma', '{"model":"one-target",}', 'invalid_json'],
    ['with NaN', '{"model":NaN}', 'invalid_json'],
    ['with a byte order mark', '\ufeff{}', 'invalid_json'],
    ['that is an array', '[]', 'invalid_json'],
    ['of two values', '{}{}', 'invalid_json'],
    ['that is not UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'invalid_utf8'],
    ['in UTF-16', Buffer.from('{}', 'utf16le'), 'invalid_json'],
    ['with half a surrogate pair', '{"model":"\\ud800"}', 'invalid_unicode'],
    ['with a name twice', '{"model":"a","mod\\u0065l":"b"}', 'duplicate_key'],
    ['65 levels deep', deep(65), 'json_too_deep'],
    ['30,000 levels deep', '['.repeat(30_000), 'invalid_json'],
    ['of 100,001 values', JSON.stringify(chat({ x: Array(100_001).fill(0) })), 'too_many_items'],
    ['without a model', '{"messages":[]}', 'missing_required_parameter', 'model'],
    ['with a model that is a number', JSON.stringify(chat({ model: 5 })), 'invalid_value', 'model'],
    ['with text for a number', JSON.stringify(chat({ n: '1' })), 'invalid_value', 'n'],
    ['with no messages', '{"model":"one-target"}', 'missing_required_parameter', 'messages'],
    [
      'with the address of a provider',
      JSON.stringify(chat({ api_base: 'http://a' })),
      'unknown_parameter',
      'api_base',
    ],
  ];
  test.for(cases)('%s is 400 and goes nowhere', async ([, body, code, param = null]) => {
    const gateway = await startHarness();
    const response = await gateway.post(body);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code, param });
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ status: 400, ended: 'refused', keyId: 'bootstrap-client' });
    expectNothingReached(gateway);
  });

  test('64 levels deep is taken', async () => {
    const gateway = await startHarness();
    expect((await gateway.post(deep(64))).status).toBe(200);
  });

  test.for([
    '{"__proto__":{"polluted":true},"model":"one-target","messages":[{"role":"user","content":"a"}]}',
    '{"\\u005f_proto__":{"polluted":true},"model":"one-target","messages":[{"role":"user","content":"a"}]}',
    '{"constructor":{"prototype":{"polluted":true}},"model":"one-target","messages":[{"role":"user","content":"a"}]}',
  ])('%s pollutes nothing', async (body) => {
    const gateway = await startHarness();
    await gateway.post(body);
    expect('polluted' in {}).toBe(false);
  });

  test.for([
    ['with its length', false],
    ['in chunks', true],
  ] as const)('is taken up to the bound and refused one past it, %s', async ([, inChunks]) => {
    const gateway = await startHarness(limits);
    const send = (bytes: Buffer) => postBytes(gateway, bytes, inChunks);
    expect((await send(sized(BODY_BYTES_MAX))).status).toBe(200);
    expect(gateway.reached).toMatchObject({ limiter: 1, worker: 1 });
    const response = await send(sized(BODY_BYTES_MAX + 1));
    expect(response.status).toBe(413);
    expect(await errorOf(response)).toMatchObject({ code: 'request_too_large' });
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ status: 413, keyId: 'bootstrap-client', ended: 'refused' });
    expect(gateway.reached).toMatchObject({ limiter: 1, worker: 1 });
  });

  test.for([
    ['authenticated', CLIENT_KEY, 413],
    ['unauthenticated', 'a-key-that-is-wrong', 401],
  ] as const)('far too long is answered while it is sent, %s', async ([, key, status]) => {
    const gateway = await startHarness(limits);
    for (let round = 0; round < 10; round += 1) {
      const response = await gateway.post(Buffer.alloc(8 * 1024 * 1024, 0x20), {
        headers: { authorization: `Bearer ${key}` },
      });
      expect(response.status).toBe(status);
    }
  });
});

describe('a content type', () => {
  test.for([
    '',
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=a',
    'application/json garbage',
    'application/json\ta',
    'application/jsonx',
    'application/json; charset=utf-16',
    'application/json; charset=utf-8; charset=utf-16',
    'application/json, text/plain',
  ])('"%s" is 415', async (type) => {
    const gateway = await startHarness();
    const response = await gateway.post(Buffer.from(JSON.stringify(chat())), {
      headers: { 'content-type': type },
    });
    expect(response.status).toBe(415);
    expect(await errorOf(response)).toMatchObject({ code: 'unsupported_media_type' });
    expectNothingReached(gateway);
  });

  test.for([
    'application/json',
    'Application/JSON; charset=UTF-8',
    'application/json;charset="utf-8"',
  ])('"%s" is taken', async (type) => {
    const gateway = await startHarness();
    const response = await gateway.post(chat(), { headers: { 'content-type': type } });
    expect(response.status).toBe(200);
  });

  test('with a coding is 415', async () => {
    const gateway = await startHarness();
    const response = await gateway.post(chat(), { headers: { 'content-encoding': 'gzip' } });
    expect(response.status).toBe(415);
    expectNothingReached(gateway);
  });
});

describe('a model', () => {
  test.for([
    'no-such-model',
    'openai.>',
    '*',
    'a b',
    '..',
    '$JS.API.STREAM.DELETE.AUDIT',
    '_INBOX.x',
    '\u202eone-target',
    '\u043ene-target',
    'first/',
    '/x',
    '😀',
    'x'.repeat(256),
  ])('named %s is 404', async (model) => {
    const gateway = await startHarness();
    const response = await gateway.post(chat({ model }));
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toEqual({ code: 'model_not_found', param: 'model' });
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event.model).toBe(model.slice(0, 256));
    expectNothingReached(gateway);
  });

  test.for(['a\u0000b', 'a\r\nb', 'x'.repeat(100_000)])(
    'that nothing can be named is 400',
    async (model) => {
      const gateway = await startHarness();
      expect((await gateway.post(chat({ model }))).status).toBe(400);
      expectNothingReached(gateway);
    },
  );
});

describe('a path', () => {
  test.for([
    '/',
    '/v1',
    '/v1/chat/completions/',
    '/V1/chat/completions',
    '//v1/chat/completions',
    '/v1/chat/completions%2f',
    '/v1/chat%2fcompletions',
    '/v1/chat/completions;x',
    '/v1/../admin/v1/keys%00',
    '/v1/%zz',
    '/admin',
    '/metrics',
    `/v1/models/${'a'.repeat(600)}`,
  ])('%s is 404', async (path) => {
    const gateway = await startHarness();
    const response = await gateway.get(path, ADMIN_KEY);
    expect(response.status).toBe(path.startsWith('/v1/models/') ? 403 : 404);
    await errorOf(response);
  });

  test.for([
    ['GET', '/v1/chat/completions', 'POST'],
    ['DELETE', '/v1/chat/completions', 'POST'],
    ['OPTIONS', '/v1/chat/completions', 'POST'],
    ['POST', '/v1/models', 'GET'],
    ['PUT', '/admin/v1/keys', 'GET, POST'],
    ['PATCH', '/admin/v1/keys/abc', 'DELETE'],
    ['POST', '/livez', 'GET'],
    ['PATCH', '/v1/messages', 'POST'],
  ] as const)('takes no %s of %s', async ([method, path, allow]) => {
    const gateway = await startHarness();
    const response = await fetch(`${gateway.origin}${path}`, { method });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe(allow);
    expect(await errorOf(response)).toMatchObject({ code: 'method_not_allowed' });
  });
});

function postBytes(gateway: Harness, bytes: Buffer, inChunks: boolean): Promise<Response> {
  if (!inChunks) return gateway.post(bytes);
  const half = Math.floor(bytes.length / 2);
  return fetch(`${gateway.origin}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${CLIENT_KEY}`, 'content-type': 'application/json' },
    body: ReadableStream.from([bytes.subarray(0, half), bytes.subarray(half)]),
    duplex: 'half',
  });
}
