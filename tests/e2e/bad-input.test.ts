import { describe, expect, test } from 'vitest';
import { callsOf, post, prompt, requestIdOf } from './gateway-calls.ts';
import { gatewayKinds, useGateway } from './use-gateway.ts';

const valid = { model: 'gpt-4o-mini', messages: [prompt('Hello')] };
const nested = (depth: number) =>
  JSON.stringify(valid).replace(/\}$/, `,"metadata":${'['.repeat(depth)}${']'.repeat(depth)}}`);
const DEPTH_MAX = 64;
const BODY_BYTES_MAX = 64 * 1024;

const settings = { GATEWAY_MAX_BODY_BYTES: String(BODY_BYTES_MAX) };

interface Wrong {
  readonly name: string;
  readonly send: (gateway: { baseUrl: string; clientKey: string }) => Promise<Response>;
  readonly status: number;
  readonly code: string;
}

const wrong: readonly Wrong[] = [
  {
    name: 'malformed JSON',
    send: (gateway) => post(gateway, '{"model":"gpt-4o-mini",'),
    status: 400,
    code: 'invalid_json',
  },
  {
    name: 'an empty body',
    send: (gateway) => post(gateway, ''),
    status: 400,
    code: 'invalid_json',
  },
  {
    name: 'a JSON text that is no object',
    send: (gateway) => post(gateway, '[]'),
    status: 400,
    code: 'invalid_json',
  },
  {
    name: 'a field of the wrong type',
    send: (gateway) => post(gateway, { ...valid, messages: 'Hello' }),
    status: 400,
    code: 'invalid_value',
  },
  {
    name: 'a missing field',
    send: (gateway) => post(gateway, { messages: valid.messages }),
    status: 400,
    code: 'missing_required_parameter',
  },
  {
    name: 'the model twice',
    send: (gateway) => post(gateway, '{"model":"gpt-4o-mini","model":"gpt-4o","messages":[]}'),
    status: 400,
    code: 'duplicate_key',
  },
  {
    name: 'a body that is too deep',
    send: (gateway) => post(gateway, nested(DEPTH_MAX)),
    status: 400,
    code: 'json_too_deep',
  },
  {
    name: 'a body that is too long',
    send: (gateway) => post(gateway, { ...valid, messages: [prompt('x'.repeat(BODY_BYTES_MAX))] }),
    status: 413,
    code: 'request_too_large',
  },
  {
    name: 'another content type',
    send: (gateway) => post(gateway, valid, { headers: { 'content-type': 'text/plain' } }),
    status: 415,
    code: 'unsupported_media_type',
  },
  {
    name: 'an unknown model',
    send: (gateway) => post(gateway, { ...valid, model: 'nothing-like-it' }),
    status: 404,
    code: 'model_not_found',
  },
  {
    name: 'an unknown provider',
    send: (gateway) => post(gateway, { ...valid, model: 'nobody/gpt-4o-mini' }),
    status: 404,
    code: 'model_not_found',
  },
  {
    name: 'a wrong key',
    send: ({ baseUrl }) => post({ baseUrl, clientKey: 'a-key-that-nobody-made' }, valid),
    status: 401,
    code: 'invalid_api_key',
  },
  {
    name: 'no key',
    send: ({ baseUrl }) =>
      fetch(`${baseUrl}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(valid),
      }),
    status: 401,
    code: 'invalid_api_key',
  },
  {
    name: 'an unknown path',
    send: ({ baseUrl, clientKey }) =>
      fetch(`${baseUrl}/v1/chat/nothing`, {
        method: 'POST',
        headers: { authorization: `Bearer ${clientKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(valid),
      }),
    status: 404,
    code: 'unknown_url',
  },
  {
    name: 'another method',
    send: ({ baseUrl, clientKey }) =>
      fetch(`${baseUrl}/v1/chat/completions`, {
        headers: { authorization: `Bearer ${clientKey}` },
      }),
    status: 405,
    code: 'method_not_allowed',
  },
];

describe.each(gatewayKinds)('bad input to the $name gateway', (kind) => {
  const gateway = useGateway(kind, { settings });

  test.each(wrong)('is refused clearly: $name', async ({ send, status, code }) => {
    const response = await send(gateway());
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    const { error } = (await response.json()) as { error: Record<string, unknown> };
    expect(Object.keys(error).sort()).toEqual(['code', 'message', 'param', 'type']);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(/^[A-Z].{10,}\.$/);
    expect(callsOf(gateway().simulator, requestIdOf(response))).toEqual([]);
  });

  test('never reaches a provider', async () => {
    const { ledger } = gateway().simulator;
    expect(ledger).toEqual([]);
    const { status } = await post(gateway(), nested(DEPTH_MAX - 1));
    expect(status).toBe(200);
    expect(ledger).toHaveLength(1);
  });
});
