import { describe, expect, test } from 'vitest';
import {
  admin,
  audit,
  auditPages,
  callsOf,
  createKey,
  MODELS,
  openaiClient,
  post,
  prompt,
  requestIdOf,
  rowsOf,
} from './gateway-calls.ts';
import { gatewayKinds, useGateway } from './use-gateway.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe.each(gatewayKinds)('the audit of the $name gateway', (kind) => {
  const gateway = useGateway(kind);
  const as = (key: string) => ({ baseUrl: gateway().baseUrl, clientKey: key });

  test.each(MODELS)('has what the provider counted ($provider)', async ({ provider, model }) => {
    const { id, key } = await createKey(gateway(), { tenant: 'accounting' });
    const messages = [prompt('How much is this? sim:cached=4;reasoning=7;tokens=30')];
    const startedAt = Date.now();
    const response = await post(as(key), { model, messages });
    const requestId = requestIdOf(response);
    const body = await response.arrayBuffer();
    const [row, ...more] = await rowsOf(gateway(), id, 1);
    expect(more).toEqual([]);
    const [call, ...repeated] = callsOf(gateway().simulator, requestId);
    expect(repeated).toEqual([]);
    expect(row).toMatchObject({
      request_id: expect.stringMatching(UUID_V7),
      tenant: 'accounting',
      key_id: id,
      endpoint: '/v1/chat/completions',
      method: 'POST',
      model,
      provider,
      provider_model: model,
      stream: false,
      status: 200,
      ended: 'complete',
      error_code: null,
      input_tokens: call?.usage?.input,
      output_tokens: call?.usage?.output,
      cached_tokens: 4,
      // Anthropic counts it as output and no more.
      reasoning_tokens: provider === 'anthropic' ? 0 : 7,
      saved_tokens: 0,
      response_bytes: body.byteLength,
      attempts: 1,
      cache: 'bypass',
      client_ip: '127.0.0.1',
      assumed: false,
    });
    expect(row?.request_id).toBe(requestId);
    expect(row?.attempt_details).toMatchObject([
      { attempt: 1, provider, model, upstream_status: 200, usage_source: 'provider' },
    ]);
    expect(row?.cost_micro_usd).toBeGreaterThan(0);
    expect(row?.price_date).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(row?.latency_ms).toBeGreaterThan(0);
    expect(row?.time_to_first_token_ms).toBeLessThanOrEqual(row?.latency_ms ?? 0);
    const ageMs = Date.parse(row?.time ?? '') - startedAt;
    expect(Math.abs(ageMs)).toBeLessThan(5_000);
  });

  // The official client hangs up as soon as it has read `[DONE]`, which is no early leave.
  test.each(MODELS)('counts streams as the provider did ($provider)', async ({ model }) => {
    const { id, key } = await createKey(gateway());
    const client = openaiClient(as(key));
    const messages = [prompt('sim:tokens=25')];
    for (let count = 0; count < 10; count += 1) {
      const stream = await client.chat.completions.create({ model, messages, stream: true });
      await Array.fromAsync(stream);
    }
    const rows = await rowsOf(gateway(), id, 10);
    for (const row of rows) {
      const [call] = callsOf(gateway().simulator, row.request_id);
      expect(row).toMatchObject({
        stream: true,
        ended: 'complete',
        error_code: null,
        input_tokens: call?.usage?.input,
        output_tokens: 25,
        attempts: 1,
      });
    }
  });

  test('has one row for each request, whatever became of it', async () => {
    const { id, key } = await createKey(gateway(), {
      limit: { requests: 10, window_seconds: 3600 },
    });
    const model = 'gpt-4o-mini';
    const bodies: object[] = [
      ...Array.from({ length: 8 }, () => ({ model, messages: [prompt('Hello')] })),
      { model, messages: [prompt('sim:status=500')] },
      { model, messages: [prompt('sim:status=429')] },
    ];
    const unparsed = await post(as(key), '{"model":');
    const unknown = await post(as(key), { model: 'nothing-like-it', messages: [prompt('Hello')] });
    const asked = await Promise.all(bodies.map((body) => post(as(key), body)));
    const limited = await post(as(key), { model, messages: [prompt('Hello')] });
    const answers = [unparsed, unknown, ...asked, limited];
    const rows = await rowsOf(gateway(), id, answers.length);
    expect(rows.map(({ request_id }) => request_id).sort()).toEqual(
      answers.map(requestIdOf).sort(),
    );
    const rowByRequest = new Map(rows.map((row) => [row.request_id, row]));
    for (const answer of answers) {
      const row = rowByRequest.get(requestIdOf(answer));
      const calls = callsOf(gateway().simulator, requestIdOf(answer));
      expect(row?.status).toBe(answer.status);
      expect(row?.attempts).toBe(calls.length);
    }
    expect(
      rows
        .map(({ error_code }) => error_code)
        .filter(Boolean)
        .sort(),
    ).toEqual([
      'invalid_request',
      'model_not_found',
      'provider_rate_limited',
      'provider_unavailable',
      'rate_limited',
    ]);
    // A refused call costs nothing.
    const failed = rows.filter(({ ended }) => ended !== 'complete');
    expect(failed.map(({ input_tokens }) => input_tokens)).toEqual([0, 0, 0, 0, 0]);
  });

  test('is read in pages, newest first, and by key and status', async () => {
    const { id, key } = await createKey(gateway());
    const requestIds: string[] = [];
    for (const model of ['demo', 'demo', 'nothing', 'demo', 'nothing']) {
      const response = await post(as(key), { model, messages: [prompt('Hello')] });
      requestIds.unshift(requestIdOf(response));
      await response.arrayBuffer();
    }
    await rowsOf(gateway(), id, requestIds.length);
    const pages: string[][] = [];
    for await (const rows of auditPages(gateway(), { key: id, limit: '2' })) {
      pages.push(rows.map(({ request_id }) => request_id));
    }
    expect(pages.map(({ length }) => length)).toEqual([2, 2, 1]);
    expect(pages.flat()).toEqual(requestIds);
    const { data: notFound } = await audit(gateway(), { key: id, status: '404' });
    expect(notFound.map(({ request_id }) => request_id)).toEqual([requestIds[0], requestIds[2]]);
    expect((await audit(gateway(), { key: 'nobody' })).data).toEqual([]);
  });

  test('has of what is no POST to a model the refusals alone', async () => {
    const { id, key } = await createKey(gateway());
    const get = (path: string) => admin({ ...gateway(), adminKey: key }, path);
    expect((await get('/v1/models')).status).toBe(200);
    expect((await get('/nothing')).status).toBe(404);
    expect((await get('/v1/models/nothing')).status).toBe(404);
    expect((await get('/admin/v1/keys')).status).toBe(403);
    const rows = await rowsOf(gateway(), id, 2);
    expect(rows.map(({ endpoint, status }) => [endpoint, status])).toEqual([
      ['/admin/v1/keys', 403],
      ['/v1/models/*', 404],
    ]);
  });

  test('refuses queries that are wrong', async () => {
    for (const query of ['limit=0', 'limit=201', 'cursor=nonsense', 'status=1000', 'colour=red']) {
      const response = await admin(gateway(), `/admin/v1/requests?${query}`);
      expect([query, response.status]).toEqual([query, 400]);
      expect(await response.json()).toMatchObject({ error: { type: 'invalid_request_error' } });
    }
  });

  test('is for admin keys alone', async () => {
    const { baseUrl, clientKey } = gateway();
    const response = await admin({ baseUrl, adminKey: clientKey }, '/admin/v1/requests');
    expect([401, 403]).toContain(response.status);
    const { data } = await response.json().then((body) => body as { data?: unknown });
    expect(data).toBeUndefined();
  });
});
