import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import { admin, callsOf, createKey, post, prompt, requestIdOf } from './gateway-calls.ts';
import { gatewayKinds, useGateway } from './use-gateway.ts';

/** The promise for a revoked key. */
const REVOKED_WITHIN_MS = 1_000;

const body = { model: 'gpt-4o-mini', messages: [prompt('May I?')] };

describe.each(gatewayKinds)('keys of the $name gateway', (kind) => {
  const gateway = useGateway(kind);
  const statusOf = async (key: string) => {
    return (await post({ baseUrl: gateway().baseUrl, clientKey: key }, body)).status;
  };

  test('work as soon as they are created', async () => {
    const { key } = await createKey(gateway());
    expect(await statusOf(key)).toBe(200);
  });

  test('are refused within a second of their revocation', async () => {
    const { id, key } = await createKey(gateway());
    expect(await statusOf(key)).toBe(200);
    const revoked = await admin(gateway(), `/admin/v1/keys/${id}`, { method: 'DELETE' });
    expect(revoked.status).toBe(200);
    expect(await revoked.json()).toMatchObject({ id, revoked_at: expect.any(String) });
    await waitFor(async () => (await statusOf(key)) === 401, {
      what: 'the key to be refused',
      timeoutMs: REVOKED_WITHIN_MS,
    });
  });

  test('show their secret once and their digest never', async () => {
    const { id, key } = await createKey(gateway(), {
      name: 'shown once',
      tenant: 'keepers',
      limit: { requests: 9, window_seconds: 60 },
    });
    expect(key).toMatch(/^gw_[a-z2-7]{12}_[\w-]{43}_[0-9a-f]{8}$/);
    const response = await admin(gateway(), '/admin/v1/keys');
    const text = await response.text();
    const { data } = JSON.parse(text) as { data: { id: string }[] };
    expect(data.find((listed) => listed.id === id)).toEqual({
      id,
      object: 'key',
      name: 'shown once',
      tenant: 'keepers',
      role: 'client',
      created_at: expect.any(String),
      expires_at: null,
      revoked_at: null,
      limit: { requests: 9, window_seconds: 60 },
      concurrency: null,
      models: null,
    });
    expect(text).not.toContain(key);
    expect(text).not.toMatch(/digest|[0-9a-f]{64}/);
    expect(data.map((listed) => listed.id)).toEqual(
      expect.arrayContaining(['bootstrap-client', 'bootstrap-admin']),
    );
  });

  test('are taken from each of the headers that clients use', async () => {
    const { key } = await createKey(gateway());
    const { baseUrl } = gateway();
    const ask = (headers: Record<string, string>) =>
      fetch(`${baseUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
    for (const headers of [
      { authorization: `Bearer ${key}` },
      { 'x-api-key': key },
      { 'x-goog-api-key': key },
    ]) {
      expect((await ask(headers)).status).toBe(200);
    }
    const both = await ask({ authorization: `Bearer ${key}`, 'x-api-key': gateway().clientKey });
    expect(both.status).toBe(401);
  });

  test('may use the models that they name and no others', async () => {
    const response = await admin(gateway(), '/admin/v1/keys', {
      method: 'POST',
      body: JSON.stringify({ name: 'claude only', models: ['claude-*'] }),
    });
    const { key } = (await response.json()) as { key: string };
    const client = { baseUrl: gateway().baseUrl, clientKey: key };
    const refused = await post(client, body);
    expect(refused.status).toBe(403);
    expect(callsOf(gateway().simulator, requestIdOf(refused))).toEqual([]);
    expect((await post(client, { ...body, model: 'claude-sonnet-4-5' })).status).toBe(200);
  });

  test('are made and revoked by admin keys alone', async () => {
    const { baseUrl, clientKey } = gateway();
    const asClient = { baseUrl, adminKey: clientKey };
    for (const [path, method] of [
      ['/admin/v1/keys', 'GET'],
      ['/admin/v1/keys', 'POST'],
      ['/admin/v1/keys/bootstrap-client', 'DELETE'],
    ]) {
      const init = { method: method ?? '', ...(method === 'POST' && { body: '{"name":"mine"}' }) };
      const { status } = await admin(asClient, path ?? '', init);
      expect([401, 403]).toContain(status);
    }
    // Nor does an admin key ask models.
    expect([401, 403]).toContain(await statusOf(gateway().adminKey));
  });
});
