import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AuditRow } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { afterAll, describe, expect, test } from 'vitest';
import {
  AUDIT_TIMEOUT_MS,
  audit,
  callsOf,
  createKey,
  openaiClient,
  post,
  prompt,
  requestIdOf,
} from './gateway-calls.ts';
import { gatewayKinds, useGateway } from './use-gateway.ts';

const model = 'gpt-4o-mini';

/** What died is closed soon: a request lives ten seconds, and is given up half a second later. */
const directory = mkdtempSync(join(tmpdir(), 'gateway-e2e-restarts-'));
afterAll(() => rmSync(directory, { recursive: true }));
const SHORT_LIVED = {
  GATEWAY_CONFIG: join(directory, 'gateway.yaml'),
  AUDIT_GRACE_SECONDS: '0.5',
};
const timeouts = '{ first_byte_seconds: 10, idle_seconds: 10, total_seconds: 10 }';
writeFileSync(SHORT_LIVED.GATEWAY_CONFIG, `timeouts: ${timeouts}\n`);

/**
 * A killed audit-writer leaves events that it had taken, which come again after their acknowledgement is
 * overdue. With a grace so short their request may be closed before, and is known in full only then.
 */
function isSettled({ status, attempt_details }: AuditRow): boolean {
  const isKnown = attempt_details.every(({ usage_source }) => usage_source !== 'unknown');
  return status !== null && isKnown;
}

describe.each(gatewayKinds)('a restart of the $name gateway', (kind) => {
  const gateway = useGateway(kind, { settings: SHORT_LIVED });
  const as = (key: string) => ({ baseUrl: gateway().baseUrl, clientKey: key });

  describe.each(['SIGTERM', 'SIGKILL'] as const)('by %s', (signal) => {
    test('loses no row of the audit and nothing that was spent', async () => {
      const { id, key } = await createKey(gateway());
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => post(as(key), { model, messages: [prompt('Hello')] })),
      );
      expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(200));
      await Promise.all(answers.map((answer) => answer.arrayBuffer()));
      await gateway().restart(signal);
      const rows = await waitFor(
        async () => {
          const { data } = await audit(gateway(), { key: id, limit: '200' });
          return data.length === 20 && data.every(isSettled) && data;
        },
        { what: 'the rows of all requests', timeoutMs: AUDIT_TIMEOUT_MS, intervalMs: 50 },
      );
      expect(rows.map(({ request_id }) => request_id).sort()).toEqual(
        answers.map(requestIdOf).sort(),
      );
      for (const row of rows) {
        const [call] = callsOf(gateway().simulator, row.request_id);
        expect(row).toMatchObject({
          attempts: 1,
          input_tokens: call?.usage?.input,
          output_tokens: call?.usage?.output,
        });
      }
      // The end of a request is recorded behind its answer, which a killed process may not live to do.
      const abandoned = { status: 500, ended: 'abandoned', assumed: true };
      for (const row of rows) {
        if (signal === 'SIGTERM' || row.status === 200) expect(row.status).toBe(200);
        else expect(row).toMatchObject(abandoned);
      }
    });

    test('keeps keys and what they have used of their limit', async () => {
      const { key } = await createKey(gateway(), { limit: { requests: 3, window_seconds: 3600 } });
      const ask = () => post(as(key), { model, messages: [prompt('Hello')] });
      expect((await ask()).status).toBe(200);
      expect((await ask()).status).toBe(200);
      await gateway().restart(signal);
      // The embedded limiter refuses until it knows what it had admitted before.
      const third = await waitFor(
        async () => {
          const answer = await ask();
          return answer.status === 503 ? undefined : answer;
        },
        { what: 'the limiter', timeoutMs: 30_000, intervalMs: 50 },
      );
      expect(third.status).toBe(200);
      expect(third.headers.get('x-ratelimit-remaining-requests')).toBe('0');
      expect((await ask()).status).toBe(429);
    });
  });

  test('by SIGTERM lets a stream come to its end', async () => {
    const messages = [prompt('sim:tokens=40;drip=50ms')];
    const stream = await openaiClient(gateway()).chat.completions.create({
      model,
      messages,
      stream: true,
    });
    let restarting: Promise<void> | undefined;
    let text = '';
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? '';
      restarting ??= gateway().restart('SIGTERM');
    }
    expect(text.split(' ')).toHaveLength(40);
    await restarting;
    const answer = await post(gateway(), { model, messages: [prompt('Hello')] });
    expect(answer.status).toBe(200);
  });
});
