/** The gateway connects to the addresses of its settings and to no others, whatever a client names. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startEmbeddedGateway } from '../e2e/embedded-gateway.ts';
import { MODELS, post, prompt } from '../e2e/gateway-calls.ts';
import { useGateway } from '../e2e/use-gateway.ts';

describe('a client that names addresses', () => {
  const gateway = useGateway({ start: startEmbeddedGateway });
  let connections = 0;
  let target = '';
  const server = createServer((_request, response) => response.end());
  server.on('connection', () => {
    connections += 1;
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    target = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  const spellings = (): string[] => {
    const port = target.split(':')[1];
    return [
      `http://${target}/a.png`,
      `http://[::ffff:127.0.0.1]:${port}/a.png`,
      `http://0.0.0.0:${port}/a.png`,
      `http://2130706433:${port}/a.png`,
      `http://localhost:${port}/a.png`,
      `gopher://${target}/a`,
    ];
  };

  test.each(MODELS)('in an image makes it call nobody but $provider', async ({ model }) => {
    for (const url of spellings()) {
      const image = { type: 'image_url', image_url: { url } };
      const content = [{ type: 'text', text: prompt('Hello').content }, image];
      const response = await post(gateway(), { model, messages: [{ role: 'user', content }] });
      expect([200, 400]).toContain(response.status);
    }
    expect(connections).toBe(0);
  });

  test('as a provider is refused', async () => {
    const body = { model: 'gpt-4o-mini', messages: [prompt('Hello')] };
    const callsBefore = gateway().simulator.ledger.length;
    for (const field of ['api_base', 'base_url', 'user_config', 'extra_body', 'mock_response']) {
      const response = await post(gateway(), { ...body, [field]: `http://${target}` });
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({
        error: { code: 'unknown_parameter', param: field },
      });
    }
    expect(gateway().simulator.ledger).toHaveLength(callsBefore);
    // Headers by which other gateways are led elsewhere say nothing here.
    const headers = {
      'x-portkey-custom-host': `http://${target}`,
      'x-base-url': `http://${target}`,
      'x-forwarded-host': target,
    };
    expect((await post(gateway(), body, { headers })).status).toBe(200);
    expect(gateway().simulator.ledger).toHaveLength(callsBefore + 1);
    expect(connections).toBe(0);
  });

  test('in the words of a log line breaks no line', async () => {
    const words = 'a\r\nb\u2028c\u2029"}{';
    const body = { model: 'gpt-4o-mini', messages: [prompt('Hello')], user: words };
    const headers = { 'x-request-id': 'x'.repeat(1_000), 'user-agent': '"}{ \\' };
    const response = await post(gateway(), body, { headers });
    expect(response.status).toBe(200);
    expect(response.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  });
});
