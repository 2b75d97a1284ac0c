import { openExchange, responseIdKey } from '@gateway/dialects';
import {
  GatewayError,
  type InferenceRequest,
  type KeptResponseRequest,
  keptResponseEndpoint,
} from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import {
  answering,
  attemptedBy,
  CLIENT_KEY,
  errorOf,
  type Harness,
  openAnswer,
  startHarness,
  type WorkerHandler,
} from './ingress-harness.ts';

const PEPPER = 'pepper-of-the-tests';
const TENANT = 'default';

function post(
  { origin }: Harness,
  fields: object,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${origin}/v1/responses`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${CLIENT_KEY}`,
      'content-type': 'application/json',
      ...headers,
    },
    body: JSON.stringify({ model: 'two-targets', input: 'Hello', ...fields }),
  });
}

/** An id as the worker of that provider would have given it to that tenant. */
function keptId(provider: string, tenant = TENANT): string {
  const exchange = openExchange({
    client: 'responses',
    provider: 'responses',
    body: Buffer.from('{"model":"m"}'),
    model: 'm',
    stream: false,
    includeUsage: true,
    state: { key: responseIdKey(PEPPER, tenant), provider },
  });
  const answer = exchange.answer(Buffer.from('{"id":"resp_theirs","output":[]}'));
  return (JSON.parse(Buffer.from(answer).toString()) as { id: string }).id;
}

/** An ingress whose workers write down what they are asked. */
async function startListening() {
  const asked: InferenceRequest[] = [];
  const worker: WorkerHandler = async (call) => {
    asked.push(call.request);
    await answering(call);
  };
  return { gateway: await startHarness({ worker }), asked };
}

describe('POST /v1/responses', () => {
  test('reaches a worker in its own dialect, with the key for the ids of its tenant', async () => {
    const { gateway, asked } = await startListening();
    const response = await post(gateway, { model: 'one-target' });
    expect(response.status).toBe(200);
    expect(asked).toMatchObject([
      {
        dialect: 'responses',
        model: 'one-target',
        stream: false,
        includeUsage: true,
        tenant: TENANT,
        stateKey: responseIdKey(PEPPER, TENANT),
      },
    ]);
    const event = await gateway.finished(response.headers.get('x-request-id'));
    expect(event).toMatchObject({ endpoint: '/v1/responses', status: 200 });
  });

  test('never gives an answer that repeats what another request said', async () => {
    const keys: string[] = [];
    const gateway = await startHarness({
      cache: async ({ value }) => {
        keys.push(value.key);
        return { value: {} };
      },
    });
    for (const fields of [{}, { metadata: { a: 'b' } }, { store: true }, { user: 'someone' }]) {
      await post(
        gateway,
        { temperature: 0, store: false, ...fields },
        { 'x-gateway-cache-ttl': '60' },
      );
    }
    expect(new Set(keys).size).toBe(4);
  });

  test('goes on with an earlier response where that is kept', async () => {
    const { gateway, asked } = await startListening();
    const response = await post(gateway, { previous_response_id: keptId('second') });
    expect(response.status).toBe(200);
    expect(asked.map(({ target }) => target.provider)).toEqual(['second']);
  });

  test.each([
    ['that is none', 'two-targets', 'resp_123'],
    ["that is another tenant's", 'two-targets', keptId('second', 'other')],
    ['that no target of the model keeps', 'one-target', keptId('second')],
  ])('is refused with a previous response %s', async (_what, model, id) => {
    const { gateway } = await startListening();
    const response = await post(gateway, { model, previous_response_id: id });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({
      param: 'previous_response_id',
      code: 'previous_response_not_found',
    });
    expect(gateway.reached.worker).toBe(0);
  });

  test('ends a broken stream with an event that every client takes for an error', async () => {
    const worker: WorkerHandler = async (call) => {
      openAnswer(call);
      await call.data(Buffer.from('event: response.created\ndata: {}\n\n'));
      await call.fail(new GatewayError('stream_interrupted', 'It broke off.'), attemptedBy(call));
    };
    const gateway = await startHarness({ worker });
    const response = await post(gateway, { stream: true });
    const reader = response.body?.getReader();
    let text = '';
    try {
      for (;;) {
        const piece = await reader?.read();
        if (piece === undefined || piece.done) break;
        text += Buffer.from(piece.value).toString();
      }
    } catch {
      // The connection is cut behind the event.
    }
    const event = text.slice(text.indexOf('event: error'));
    expect(JSON.parse(event.slice(event.indexOf('{')))).toEqual({
      type: 'error',
      sequence_number: 0,
      code: 'stream_interrupted',
      message: 'It broke off.',
      param: null,
      error: {
        type: 'upstream_error',
        code: 'stream_interrupted',
        message: 'It broke off.',
        param: null,
      },
    });
  });
});

describe('a kept response', () => {
  async function startKeeping() {
    const gateway = await startHarness();
    const asked: KeptResponseRequest[] = [];
    const keeper = gateway.connect('provider-worker');
    await keeper.respond(
      keptResponseEndpoint('second'),
      async ({ value }) => {
        asked.push(value);
        return { value: { contentType: 'application/json' }, body: Buffer.from('{"id":"kept"}') };
      },
      { concurrencyMax: 4 },
    );
    const call = (path: string, method = 'GET') =>
      fetch(`${gateway.origin}/v1/responses/${path}`, {
        method,
        headers: { authorization: `Bearer ${CLIENT_KEY}` },
      });
    return { call, asked };
  }

  test.each([
    [
      'GET',
      '?include[]=a&include=b&other=c',
      'get',
      [
        ['include[]', 'a'],
        ['include', 'b'],
      ],
    ],
    ['DELETE', '', 'delete', []],
    [
      'GET',
      '/input_items?limit=2&after=msg_1',
      'input-items',
      [
        ['limit', '2'],
        ['after', 'msg_1'],
      ],
    ],
  ])('is asked of its provider by %s …%s', async (method, rest, action, query) => {
    const { call, asked } = await startKeeping();
    const response = await call(`${keptId('second')}${rest}`, method);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toContain('application/json');
    expect(await response.text()).toBe('{"id":"kept"}');
    expect(asked).toMatchObject([
      { action, id: 'resp_theirs', query, stateKey: responseIdKey(PEPPER, TENANT) },
    ]);
  });

  test.each([
    ['an id that is none', 'resp_123'],
    ["another tenant's id", keptId('second', 'other')],
    ['an id of a provider that there is no longer', keptId('gone')],
  ])('is not found under %s', async (_what, id) => {
    const { call, asked } = await startKeeping();
    for (const [method, rest] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/input_items'],
    ]) {
      const response = await call(`${id}${rest}`, method);
      expect(response.status).toBe(404);
      expect(await errorOf(response)).toMatchObject({ code: 'response_not_found' });
    }
    expect(asked).toEqual([]);
  });

  test.each([
    ['stream', '?stream=true'],
    ['include', `?${'include=a&'.repeat(33)}`],
    ['include[]', `?include[]=${'a'.repeat(513)}`],
  ])('is not asked for with a %s that cannot be', async (param, query) => {
    const { call } = await startKeeping();
    const response = await call(`${keptId('second')}${query}`);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ param });
  });

  test('is asked for with as many values as are taken', async () => {
    const { call, asked } = await startKeeping();
    const id = keptId('second');
    expect((await call(`${id}?${'include=a&'.repeat(32)}`)).status).toBe(200);
    expect((await call(`${id}?include=${'a'.repeat(512)}`)).status).toBe(200);
    expect(asked.map(({ query }) => query.length)).toEqual([32, 1]);
  });
});
