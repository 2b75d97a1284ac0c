import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import {
  ADMIN_KEY,
  CLIENT_KEY,
  chat,
  errorOf,
  type Harness,
  startHarness,
} from './ingress-harness.ts';
import { openRawConnection } from './raw-connection.ts';

const LIST_MODELS = { method: 'GET', path: '/v1/models' };

function ask(gateway: Harness, { method, path }: { method: string; path: string }, key?: string) {
  const headers = { ...(key !== undefined && { authorization: `Bearer ${key}` }) };
  return fetch(`${gateway.origin}${path}`, { method, headers });
}

async function makeKey(
  gateway: Harness,
  fields: object = {},
): Promise<{ id: string; key: string }> {
  const response = await fetch(`${gateway.origin}/admin/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'made', ...fields }),
  });
  expect(response.status).toBe(201);
  return (await response.json()) as { id: string; key: string };
}

function revoke(gateway: Harness, id: string): Promise<Response> {
  return ask(gateway, { method: 'DELETE', path: `/admin/v1/keys/${id}` }, ADMIN_KEY);
}

describe('a key', () => {
  test.for([
    { method: 'GET', path: '/v1/models', key: ADMIN_KEY, keyId: 'bootstrap-admin' },
    { method: 'GET', path: '/admin/v1/keys', key: CLIENT_KEY, keyId: 'bootstrap-client' },
  ])('$keyId is refused at $path with a reason, and recorded', async ({ key, keyId, ...route }) => {
    const gateway = await startHarness();
    const forbidden = await ask(gateway, route, key);
    expect(forbidden.status).toBe(403);
    expect(await errorOf(forbidden)).toMatchObject({ code: 'insufficient_scope' });
    const event = await gateway.finished(forbidden.headers.get('x-request-id'));
    expect(event).toMatchObject({ status: 403, keyId });
  });

  test('that is missing, wrong, revoked or expired is refused with the same answer', async () => {
    const gateway = await startHarness();
    const revoked = await makeKey(gateway);
    expect((await revoke(gateway, revoked.id)).status).toBe(200);
    const expiresAt = Date.now() + 2_000;
    const expired = await makeKey(gateway, { expires_at: new Date(expiresAt).toISOString() });
    await waitFor(() => Date.now() > expiresAt, { what: 'the end of a key' });
    const valid = await makeKey(gateway);
    const keys = [
      undefined,
      'x',
      'an-unknown-key-of-some-length',
      `${valid.key.slice(0, -1)}?`,
      revoked.key,
      expired.key,
    ];
    const answers = await Promise.all(
      keys.map(async (key) => {
        const response = await ask(gateway, LIST_MODELS, key);
        const headers = [...response.headers].filter(
          ([name]) => name !== 'x-request-id' && name !== 'date',
        );
        return JSON.stringify([response.status, headers, await response.text()]);
      }),
    );
    expect(answers[0]).toContain('401');
    expect(new Set(answers).size).toBe(1);
    expect((await ask(gateway, LIST_MODELS, valid.key)).status).toBe(200);
    const refused = () =>
      gateway.events.filter((event) => 'status' in event && event.status === 401);
    await waitFor(() => refused().length === keys.length, { what: 'every refusal on record' });
    expect(refused()).toMatchObject(
      Array(keys.length).fill({ keyId: '', tenant: '', ended: 'refused' }),
    );
  });

  const refusedHeaders: [name: string, lines: string][] = [
    ['another scheme', `Authorization: Basic ${CLIENT_KEY}`],
    ['no scheme', `Authorization: ${CLIENT_KEY}`],
    ['two spaces', `Authorization: Bearer  ${CLIENT_KEY}`],
    ['a tab', `Authorization: Bearer\t${CLIENT_KEY}`],
    ['more behind it', `Authorization: Bearer ${CLIENT_KEY} x`],
    ['a comma', `Authorization: Bearer ${CLIENT_KEY},`],
    ['two headers', `Authorization: Bearer ${CLIENT_KEY}\r\nAuthorization: Bearer ${CLIENT_KEY}`],
    [
      'two different keys',
      `Authorization: Bearer ${CLIENT_KEY}\r\nx-api-key: another-key-altogether`,
    ],
    ['8 KB', `Authorization: Bearer ${'a'.repeat(8192)}`],
    ['SQL', `Authorization: Bearer ' OR 1=1 --`],
    ['letters beyond ASCII', `Authorization: Bearer ${CLIENT_KEY}\u00e9`],
    ['a cookie', `Cookie: key=${CLIENT_KEY}`],
  ];
  test.for(refusedHeaders)('sent with %s is refused', async ([, lines]) => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(
      Buffer.from(`GET /v1/models?key=${CLIENT_KEY} HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n`),
    );
    const [answer] = await connection.answers(1);
    expect(answer?.status).toBe(401);
    expect(answer?.body).not.toContain(CLIENT_KEY);
  });

  test.for([
    `authorization: bEARER ${CLIENT_KEY}`,
    `x-api-key: ${CLIENT_KEY}`,
    `x-goog-api-key: ${CLIENT_KEY}`,
    `Authorization: Bearer ${CLIENT_KEY}\r\nx-api-key: ${CLIENT_KEY}`,
  ])('is taken from "%s"', async (lines) => {
    const gateway = await startHarness();
    const connection = openRawConnection(gateway.ingress.port);
    connection.send(`GET /v1/models HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n`);
    expect((await connection.answers(1))[0]?.status).toBe(200);
  });

  test('may be kept to some models', async () => {
    const gateway = await startHarness();
    const { key } = await makeKey(gateway, { models: ['one-*'] });
    const headers = { authorization: `Bearer ${key}` };
    expect((await gateway.post(chat(), { headers })).status).toBe(200);
    const refused = await gateway.post(chat({ model: 'two-targets' }), { headers });
    expect(refused.status).toBe(403);
    expect(await errorOf(refused)).toEqual({ code: 'model_not_allowed', param: 'model' });
  });

  test('is limited by its own limit', async () => {
    const gateway = await startHarness();
    const { key } = await makeKey(gateway, { limit: { requests: 77, window_seconds: 60 } });
    const response = await gateway.post(chat(), { headers: { authorization: `Bearer ${key}` } });
    expect(response.headers.get('x-ratelimit-limit-requests')).toBe('77');
  });

  test('that is revoked at one ingress is refused by another within a second', async () => {
    const gateway = await startHarness();
    const other = await gateway.startIngress();
    const { id, key } = await makeKey(gateway);
    const askOther = () =>
      fetch(`http://${other.host}:${other.port}/v1/models`, {
        headers: { authorization: `Bearer ${key}` },
      });
    const becomes = (status: number) =>
      waitFor(async () => (await askOther()).status === status, {
        what: `status ${status} at the other ingress`,
        timeoutMs: 1_000,
      });
    await becomes(200);
    await revoke(gateway, id);
    await becomes(401);
  });
});

describe('the client address', () => {
  const from = async (gateway: Harness, forwarded: string) => {
    const response = await gateway.post(chat(), { headers: { 'x-forwarded-for': forwarded } });
    return (await gateway.finished(response.headers.get('x-request-id'))).clientIp;
  };

  test('is the peer where no proxy is trusted', async () => {
    expect(await from(await startHarness(), '10.1.2.3')).toBe('127.0.0.1');
  });

  test('is what a trusted proxy forwards, when that is an address', async () => {
    const environment = { GATEWAY_TRUSTED_PROXIES: '127.0.0.0/8, 10.0.0.1' };
    const gateway = await startHarness({ environment });
    expect(await from(gateway, '10.1.2.3')).toBe('10.1.2.3');
    expect(await from(gateway, '1.1.1.1, 10.1.2.3, 10.0.0.1')).toBe('10.1.2.3');
    expect(await from(gateway, `no address ${'x'.repeat(1000)}`)).toBe('127.0.0.1');
  });
});
