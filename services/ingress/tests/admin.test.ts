import { auditQueryEndpoint } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { ADMIN_KEY, errorOf, type Harness, startHarness } from './ingress-harness.ts';

function create(gateway: Harness, body: unknown): Promise<Response> {
  return fetch(`${gateway.origin}/admin/v1/keys`, {
    method: 'POST',
    headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

function remove(gateway: Harness, id: string): Promise<Response> {
  return fetch(`${gateway.origin}/admin/v1/keys/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${ADMIN_KEY}` },
  });
}

describe('the admin API of keys', () => {
  test('shows the text of a key once', async () => {
    const gateway = await startHarness();
    const response = await create(gateway, {
      name: 'shop',
      tenant: 'acme',
      expires_at: '2099-01-01T00:00:00Z',
      limit: { requests: 5, window_seconds: 60 },
      concurrency: 8,
      models: ['gpt-*'],
    });
    expect(response.status).toBe(201);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const made = (await response.json()) as Record<string, unknown>;
    expect(made).toEqual({
      id: expect.stringMatching(/^[a-z2-7]{12}$/),
      object: 'key',
      name: 'shop',
      tenant: 'acme',
      role: 'client',
      created_at: expect.any(String),
      expires_at: '2099-01-01T00:00:00Z',
      revoked_at: null,
      limit: { requests: 5, window_seconds: 60 },
      concurrency: 8,
      models: ['gpt-*'],
      key: expect.stringMatching(/^gw_/),
    });
    const list = await (await gateway.get('/admin/v1/keys', ADMIN_KEY)).text();
    expect(list).not.toContain(made.key);
    expect(list).not.toMatch(/digest|[0-9a-f]{64}/);
    const { key: _text, ...shown } = made;
    expect(JSON.parse(list).data).toContainEqual(shown);
    expect(JSON.parse(list).data).toHaveLength(3);
    await waitFor(() => gateway.events.some(({ kind }) => kind === 'control'), {
      what: 'the event',
    });
    expect(gateway.events.find(({ kind }) => kind === 'control')).toMatchObject({
      action: 'key.created',
      actorKeyId: 'bootstrap-admin',
      key: { id: made.id },
    });
  });

  test('revokes a key, and again with the same result', async () => {
    const gateway = await startHarness();
    const { id } = (await (await create(gateway, { name: 'a' })).json()) as { id: string };
    const first = await (await remove(gateway, id)).json();
    expect(first).toMatchObject({ id, revoked_at: expect.any(String) });
    expect(await (await remove(gateway, id)).json()).toEqual(first);
  });

  test('revokes a key also while nothing can be recorded', async () => {
    const gateway = await startHarness();
    const { id, key } = (await (await create(gateway, { name: 'a' })).json()) as {
      id: string;
      key: string;
    };
    gateway.ledger.isFull = true;
    expect((await remove(gateway, id)).status).toBe(503);
    expect((await gateway.get('/v1/models', key)).status).toBe(401);
    gateway.ledger.isFull = false;
    expect((await remove(gateway, id)).status).toBe(200);
    await waitFor(
      () => gateway.events.some((event) => 'action' in event && event.action === 'key.revoked'),
      { what: 'the event' },
    );
  });

  test.for([
    ['bootstrap-client', 400],
    ['bootstrap-admin', 400],
    ['unknown', 404],
    ['%2e%2e', 404],
  ] as const)('does not revoke %s', async ([id, status]) => {
    const gateway = await startHarness();
    const response = await remove(gateway, id);
    expect(response.status).toBe(status);
    await errorOf(response);
  });

  const wrong: [body: unknown, code: string, param: string | null][] = [
    ['{', 'invalid_json', null],
    ['', 'invalid_json', null],
    ['[]', 'invalid_value', ''],
    [{}, 'missing_required_parameter', 'name'],
    [{ name: 'a', limit: { requests: 5 } }, 'missing_required_parameter', 'limit.window_seconds'],
    [{ name: '' }, 'invalid_value', 'name'],
    [{ name: 'a', tenant: '../b' }, 'invalid_value', 'tenant'],
    [{ name: 'a', role: 'root' }, 'invalid_value', 'role'],
    [{ name: 'a', expires_at: 'tomorrow' }, 'invalid_value', 'expires_at'],
    [{ name: 'a', expires_at: '2020-01-01T00:00:00Z' }, 'invalid_value', 'expires_at'],
    [{ name: 'a', limit: { requests: 0, window_seconds: 1 } }, 'invalid_value', 'limit.requests'],
    [{ name: 'a', concurrency: 0 }, 'invalid_value', 'concurrency'],
    [{ name: 'a', concurrency: 100_001 }, 'invalid_value', 'concurrency'],
    [{ name: 'a', digest: 'x' }, 'unknown_parameter', 'digest'],
    [
      { name: 'a', limit: { requests: 1, window_seconds: 1, tokens: 1 } },
      'unknown_parameter',
      'limit.tokens',
    ],
    ['{"name":"a","__proto__":{"role":"admin"}}', 'unknown_parameter', '__proto__'],
  ];
  test.for(wrong)('refuses %j', async ([body, code, param]) => {
    const gateway = await startHarness();
    const response = await create(gateway, body);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toEqual({ code, param });
    expect(
      JSON.parse(await (await gateway.get('/admin/v1/keys', ADMIN_KEY)).text()).data,
    ).toHaveLength(2);
  });

  test.for(['GET', 'POST', 'DELETE'])(
    'refuses parameters in the address of a %s',
    async (method) => {
      const gateway = await startHarness();
      const made = (await (await create(gateway, { name: 'a' })).json()) as { id: string };
      const path = method === 'DELETE' ? `/admin/v1/keys/${made.id}` : '/admin/v1/keys';
      const response = await fetch(`${gateway.origin}${path}?dry_run=true`, {
        method,
        headers: { authorization: `Bearer ${ADMIN_KEY}`, 'content-type': 'application/json' },
        ...(method === 'POST' && { body: JSON.stringify({ name: 'b' }) }),
      });
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toEqual({ code: 'unknown_parameter', param: 'dry_run' });
      const { data } = JSON.parse(await (await gateway.get('/admin/v1/keys', ADMIN_KEY)).text());
      expect(data).toHaveLength(3);
      expect(data).toContainEqual(expect.objectContaining({ id: made.id, revoked_at: null }));
    },
  );

  test('lists keys in the order in which they were made', async () => {
    const gateway = await startHarness();
    const names = ['b', 'a', 'c'];
    for (const name of names) await create(gateway, { name });
    const { data } = JSON.parse(await (await gateway.get('/admin/v1/keys', ADMIN_KEY)).text());
    expect(data.slice(-3).map(({ name }: { name: string }) => name)).toEqual(names);
    expect(data[0].created_at).toBe('1970-01-01T00:00:00.000Z');
  });

  test('takes a body of 64 KiB and refuses one byte more', async () => {
    const gateway = await startHarness();
    const sized = (bytes: number) => `{"name":"a"}${' '.repeat(bytes - 12)}`;
    expect((await create(gateway, sized(64 * 1024))).status).toBe(201);
    expect((await create(gateway, sized(64 * 1024 + 1))).status).toBe(413);
  });
});

describe('the admin API of requests', () => {
  test('asks the audit for what the query says', async () => {
    const gateway = await startHarness();
    const asked: unknown[] = [];
    await gateway.auditWriter.respond(
      auditQueryEndpoint,
      async ({ value }) => {
        asked.push(value);
        return { value: { data: [], next_cursor: 'further' } };
      },
      { concurrencyMax: 1 },
    );
    const path = '/admin/v1/requests?limit=7&cursor=c&key=k&tenant=t&status=429';
    const response = await gateway.get(path, ADMIN_KEY);
    expect(await response.json()).toEqual({ data: [], next_cursor: 'further' });
    expect((await gateway.get('/admin/v1/requests', ADMIN_KEY)).status).toBe(200);
    expect(asked).toEqual([
      { limit: 7, cursor: 'c', keyId: 'k', tenant: 't', status: 429 },
      { limit: 50 },
    ]);
  });

  test.for([
    'limit=1',
    'limit=200',
    'status=100',
    'status=599',
    `cursor=${'c'.repeat(128)}`,
    `key=${'k'.repeat(64)}`,
    `tenant=${'t'.repeat(64)}`,
  ])('takes ?%s', async (query) => {
    const gateway = await startHarness();
    await gateway.auditWriter.respond(
      auditQueryEndpoint,
      async () => ({ value: { data: [], next_cursor: null } }),
      { concurrencyMax: 1 },
    );
    const response = await gateway.get(`/admin/v1/requests?${query}`, ADMIN_KEY);
    expect(response.status).toBe(200);
  });

  const limit = 'one whole number from 1 to 200';
  const status = 'one whole number from 100 to 599';
  const cursor = 'the next_cursor of an earlier page';
  const key = 'the id of one key, 1 to 64 characters';
  const tenant = 'the name of one tenant, 1 to 64 characters';
  test.for([
    ['limit', '0', limit],
    ['limit', '201', limit],
    ['limit', '1.5', limit],
    ['limit', 'x', limit],
    ['limit', '', limit],
    ['limit', '1&limit=2', limit],
    ['status', '99', status],
    ['status', '600', status],
    ['status', 'abc', status],
    ['status', '0x1f4', status],
    ['cursor', '', cursor],
    ['cursor', 'c'.repeat(129), cursor],
    ['key', '', key],
    ['key', 'k'.repeat(65), key],
    ['key', 'a&key=b', key],
    ['tenant', '', tenant],
    ['tenant', 't'.repeat(65), tenant],
  ] as const)('says of ?%s=%s that it expects %s', async ([param, value, expected]) => {
    const gateway = await startHarness();
    const response = await gateway.get(`/admin/v1/requests?${param}=${value}`, ADMIN_KEY);
    expect(response.status).toBe(400);
    const body = await response.clone().json();
    expect(body).toMatchObject({ error: { message: `Invalid '${param}': expected ${expected}.` } });
    expect(await errorOf(response)).toEqual({ code: 'invalid_value', param });
  });

  test('says of an unknown parameter which there are', async () => {
    const gateway = await startHarness();
    const response = await gateway.get('/admin/v1/requests?order=asc', ADMIN_KEY);
    expect(response.status).toBe(400);
    expect(await response.clone().json()).toMatchObject({
      error: {
        message: "Unknown parameter: 'order'. There are: limit, cursor, key, tenant, status.",
      },
    });
    expect(await errorOf(response)).toEqual({ code: 'unknown_parameter', param: 'order' });
  });

  test('is 503 while the audit-writer is away', async () => {
    const gateway = await startHarness();
    const response = await gateway.get('/admin/v1/requests', ADMIN_KEY);
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: 'no_responders' });
  });
});
