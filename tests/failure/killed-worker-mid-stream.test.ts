import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** A worker is given up after three pings of a second without an answer. */
const NOTICED_WITHIN_MS = 6_000;
const STREAM = { text: 'sim:tokens=200;drip=50ms', stream: true };

const cluster = useCluster();

test('a client is told that its stream broke, and never takes the part for the whole', async () => {
  const { begin, process, calls, rows } = cluster();
  const worker = process('provider-worker-1');
  const asked = Array.from({ length: 10 }, () => begin(STREAM));
  await Promise.all(asked.map((asking) => asking.received(500)));
  const killedAt = Date.now();
  await worker.kill();

  const answers = await Promise.all(asked.map(({ answer }) => answer));
  expect(Date.now() - killedAt).toBeLessThan(NOTICED_WITHIN_MS);
  for (const { end, errorCode, body, text, requestId } of answers) {
    expect([end, errorCode]).toEqual(['error-event', 'worker_lost']);
    expect(body).not.toContain('[DONE]');
    const [call] = calls(requestId);
    expect(text).not.toBe('');
    expect(text).not.toBe(call?.text);
    expect(call?.text?.startsWith(text)).toBe(true);
  }
  await cluster().quiet();
  for (const row of await rows(answers.map(({ requestId }) => requestId ?? ''))) {
    const [attempt] = row.attempt_details;
    expect(row).toMatchObject({ status: 200, ended: 'interrupted', assumed: true });
    expect(attempt).toMatchObject({ error_code: 'worker_lost', usage_source: 'estimated' });
  }
  await worker.start();
});

test('without a worker requests are refused at once, and answered once there is one', async () => {
  const { ask, process, simulator } = cluster();
  const worker = process('provider-worker-1');
  await worker.kill();
  const before = simulator.ledger.length;
  const refused = await ask();
  expect([refused.status, refused.errorCode]).toEqual([503, 'no_responders']);
  expect(refused.headers).toMatchObject({ 'retry-after': '1' });
  expect(simulator.ledger).toHaveLength(before);
  await worker.start();
  expect((await ask()).status).toBe(200);
});
