import { describe, expect, test } from 'vitest';
import { responseIdKey, sealResponseId } from './response-id.ts';
import { openStateCall, type StateAction } from './state-call.ts';

const key = responseIdKey('pepper', 'team-a');
const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function open(action: StateAction, id = 'resp_1', query: readonly [string, string][] = []) {
  return openStateCall({ action, id, query, state: { key, provider: 'openai' } });
}

describe('a call for a kept response', () => {
  test.each([
    ['get', 'GET', '/responses/resp_1'],
    ['delete', 'DELETE', '/responses/resp_1'],
    ['input-items', 'GET', '/responses/resp_1/input_items'],
  ] as const)('to %s is %s %s', (action, method, path) => {
    expect(open(action).request).toMatchObject({ method, path });
  });

  test('keeps an id and a query inside of their places', () => {
    const { path } = open('get', '../a?b#c', [['include[]', 'a&b=c']]).request;
    expect(path).toBe('/responses/..%2Fa%3Fb%23c?include%5B%5D=a%26b%3Dc');
  });

  test('answers with ids that the client knows, and else as the provider did', () => {
    const id = sealResponseId(key, { provider: 'openai', id: 'resp_1' });
    const body = '{ "id":"resp_1","object":"response","deleted": true }';
    const got = decode(open('delete').answer(encode(body)));
    expect(got).toBe(`{ "id":"${id}","object":"response","deleted": true }`);
    const list = '{"object":"list","data":[{"id":"msg_1"}]}';
    expect(decode(open('input-items').answer(encode(list)))).toBe(list);
  });

  test.each(['<html>', '[]', ''])('is a bad response with %j', (text) => {
    const failure = expect.objectContaining({ code: 'provider_bad_response' });
    expect(() => open('get').answer(encode(text))).toThrow(failure);
  });

  test.each([
    [404, 'not_found'],
    [401, 'provider_auth_failed'],
    [429, 'provider_rate_limited'],
    [500, 'provider_unavailable'],
  ])('with status %d is %s', (status, code) => {
    expect(open('get').error(status, {}, encode('{"error":{"message":"x"}}')).code).toBe(code);
  });
});
