import { join } from 'node:path';
import { SERVICES } from '@gateway/protocol';
import {
  freeLoopbackPort,
  type NodeProcess,
  repositoryRoot,
  startNodeProcess,
  waitFor,
} from '@gateway/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { admin, createKey, openaiClient, post, prompt, rowOf } from './gateway-calls.ts';
import { startStackGateway } from './stack-gateway.ts';
import { useGateway } from './use-gateway.ts';

const REVOKED_WITHIN_MS = 1_000;

const model = 'gpt-4o-mini';
const hello = { model, messages: [prompt('Hello')] };

describe('the processes of the stack', () => {
  const gateway = useGateway({ start: startStackGateway });

  test.each(SERVICES)('%s tells operators how it is', async (service) => {
    const url = gateway().operations[service];
    const [live, ready, metrics] = await Promise.all(
      ['/livez', '/readyz', '/metrics'].map((path) => fetch(`${url}${path}`)),
    );
    expect(live?.status).toBe(200);
    expect(ready?.status).toBe(200);
    expect(await ready?.json()).toEqual({ status: 'ready', failing: {} });
    const text = await metrics?.text();
    expect(text).toMatch(new RegExp(`gateway_build_info\\{[^}]*service="${service}"`));
  });

  test('the public port says whether it takes requests', async () => {
    for (const path of ['/livez', '/readyz']) {
      const response = await fetch(`${gateway().baseUrl}${path}`);
      expect([path, response.status]).toEqual([path, 200]);
    }
  });

  describe.each(['ingress', 'provider-worker'] as const)('%s', (name) => {
    test('drains a stream after SIGTERM and ends with 0', async () => {
      const { stack, reports } = gateway();
      const messages = [prompt('sim:tokens=40;drip=50ms')];
      const { data, request_id } = await openaiClient(gateway())
        .chat.completions.create({ model, messages, stream: true })
        .withResponse();
      const before = reports.length;
      let text = '';
      let ending: Promise<void> | undefined;
      for await (const { choices } of data) {
        text += choices[0]?.delta.content ?? '';
        ending ??= stack.service(name).end('SIGTERM');
      }
      expect(text.split(' ')).toHaveLength(40);
      await ending;
      expect(reports.slice(before)).toContain(`${name} ended with code 0, starting it again`);
      await stack.service(name).ready();
      const row = await rowOf(gateway(), request_id ?? '');
      expect(row).toMatchObject({ ended: 'complete', output_tokens: 40, assumed: false });
    });
  });

  test('a killed worker is replaced', async () => {
    const { stack } = gateway();
    const worker = stack.service('provider-worker');
    const { pid } = worker;
    await worker.end('SIGKILL');
    const refused = await post(gateway(), hello);
    expect([502, 503]).toContain(refused.status);
    await waitFor(() => worker.pid !== pid, { what: 'a new process' });
    await worker.ready();
    const answered = await waitFor(
      async () => {
        const response = await post(gateway(), hello);
        return response.status === 200 && response;
      },
      { what: 'an answer through the new worker' },
    );
    expect(answered.headers.get('x-gateway-attempts')).toBe('1');
  });

  describe('with a second ingress', () => {
    let second: NodeProcess;
    let secondUrl: string;
    beforeAll(async () => {
      const port = await freeLoopbackPort();
      const operationsPort = await freeLoopbackPort();
      second = startNodeProcess({
        script: join(repositoryRoot, 'services/ingress/src/main.ts'),
        environment: {
          ...gateway().stack.environmentOf('ingress'),
          GATEWAY_PORT: String(port),
          GATEWAY_METRICS_PORT: String(operationsPort),
        },
      });
      secondUrl = `http://127.0.0.1:${port}`;
      await second.waitForHttp(`http://127.0.0.1:${operationsPort}/readyz`);
    });
    afterAll(async () => {
      expect((await second.stop()).code).toBe(0);
    });
    const both = () => [gateway().baseUrl, secondUrl];
    const statuses = (clientKey: string) =>
      Promise.all(
        both().map(async (baseUrl) => (await post({ baseUrl, clientKey }, hello)).status),
      );

    test('a created key works at both, a revoked one is refused by both', async () => {
      const { id, key } = await createKey(gateway());
      await waitFor(async () => String(await statuses(key)) === '200,200', {
        what: 'both to know the key',
        timeoutMs: REVOKED_WITHIN_MS,
      });
      const revoked = await admin(gateway(), `/admin/v1/keys/${id}`, { method: 'DELETE' });
      expect(revoked.status).toBe(200);
      await waitFor(async () => String(await statuses(key)) === '401,401', {
        what: 'both to refuse the key',
        timeoutMs: REVOKED_WITHIN_MS,
      });
    });

    test('a limit holds over both', async () => {
      const limit = { requests: 9, window_seconds: 600 };
      const { key } = await createKey(gateway(), { limit });
      await waitFor(
        async () => {
          const headers = { authorization: `Bearer ${key}` };
          return (await fetch(`${secondUrl}/v1/models`, { headers })).status === 200;
        },
        { what: 'the second ingress to know the key' },
      );
      const rounds = await Promise.all(Array.from({ length: 20 }, () => statuses(key)));
      const admitted = rounds.flat().filter((status) => status === 200);
      expect(admitted).toHaveLength(9);
      expect(rounds.flat().filter((status) => status === 429)).toHaveLength(31);
    });

    test('an answer that one has led to is a hit at the other', async () => {
      const body = { ...hello, temperature: 0, messages: [prompt('sim:nonce=both')] };
      const outcomes: (string | null)[] = [];
      for (const baseUrl of both()) {
        const { clientKey } = gateway();
        const response = await post({ baseUrl, clientKey }, body);
        outcomes.push(response.headers.get('x-gateway-cache'));
      }
      expect(outcomes).toEqual(['miss', 'hit']);
    });
  });
});
