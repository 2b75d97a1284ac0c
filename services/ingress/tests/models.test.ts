import { describe, expect, test } from 'vitest';
import { errorOf, startHarness } from './ingress-harness.ts';

const models = () => ({ models: [{ id: 'one-target', created: 5 }, { id: 'other/deep' }] });

describe('GET /v1/models', () => {
  test('lists routes by their names and the models of providers', async () => {
    const gateway = await startHarness({ models });
    const response = await gateway.get('/v1/models');
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    const list = (await response.json()) as { object: string; data: { id: string }[] };
    expect(list.object).toBe('list');
    expect(list.data.map(({ id }) => id)).toEqual(
      [
        'demo',
        'first/other/deep',
        'meta/llama-3',
        'one-target',
        'second/one-target',
        'second/other/deep',
        'two-targets',
      ].sort((left, right) => left.localeCompare(right)),
    );
    expect(list.data).toContainEqual({
      id: 'one-target',
      object: 'model',
      created: 5,
      owned_by: 'first',
    });
  });

  test('lists the routes when no provider answers', async () => {
    const gateway = await startHarness();
    const list = (await (await gateway.get('/v1/models')).json()) as { data: { id: string }[] };
    expect(list.data.map(({ id }) => id)).toEqual([
      'demo',
      'meta/llama-3',
      'one-target',
      'two-targets',
    ]);
  });
});

describe('GET /v1/models/{id}', () => {
  test.for([
    'one-target',
    'first/one-target',
    'meta/llama-3',
    'meta%2Fllama-3',
    'first/other/deep',
  ])('finds %s', async (id) => {
    const gateway = await startHarness({ models });
    const response = await gateway.get(`/v1/models/${id}`);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ id: decodeURIComponent(id), object: 'model' });
  });

  test.for(['nothing', 'first/nothing', '%00', '*'])('says that there is no %s', async (id) => {
    const gateway = await startHarness({ models });
    const response = await gateway.get(`/v1/models/${id}`);
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({ code: 'model_not_found' });
  });
});
