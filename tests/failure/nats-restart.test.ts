import { describe, expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** With a wide margin: it refuses at once, and tries to connect again every 350 ms. */
const REFUSED_WITHIN_MS = 2_000;
const BACK_WITHIN_MS = 5_000;
const STREAM = { text: 'sim:tokens=200;drip=50ms', stream: true };

const cluster = useCluster();

describe.each(['SIGTERM', 'SIGKILL'] as const)('NATS ended by %s', (signal) => {
  test('refuses new requests, breaks running ones off, and is used again when it is back', async () => {
    const { ask, begin, nats, calls, processes, simulator, process, rows } = cluster();
    const pids = processes.map(({ node }) => node.pid);
    const running = Array.from({ length: 5 }, () => begin(STREAM));
    await Promise.all(running.map((asking) => asking.received(500)));
    await (signal === 'SIGKILL' ? nats.kill() : nats.stop());

    await process('ingress-1').notReady();
    const before = simulator.ledger.length;
    const refused = await Promise.all(Array.from({ length: 5 }, () => ask()));
    for (const { status, errorCode, headers, durationMs } of refused) {
      expect([status, errorCode]).toEqual([
        503,
        expect.stringMatching(/^(bus|audit)_unavailable$/),
      ]);
      expect(headers['retry-after']).toBe('1');
      expect(durationMs).toBeLessThan(REFUSED_WITHIN_MS);
    }
    expect(simulator.ledger).toHaveLength(before);
    const broken = await Promise.all(running.map(({ answer }) => answer));
    for (const { end, text, requestId, body } of broken) {
      expect(end).toBe('error-event');
      expect(body).not.toContain('[DONE]');
      expect(calls(requestId)[0]?.text?.startsWith(text)).toBe(true);
    }

    await nats.restart();
    const backAt = Date.now();
    await Promise.all(processes.map((one) => one.ready(BACK_WITHIN_MS)));
    expect((await ask()).status).toBe(200);
    expect(Date.now() - backAt).toBeLessThan(BACK_WITHIN_MS);
    expect(processes.map(({ node }) => node.pid)).toEqual(pids);
    await cluster().quiet();
    for (const row of await rows(broken.map(({ requestId }) => requestId ?? ''))) {
      expect(row).toMatchObject({ status: 200, ended: 'interrupted' });
    }
  });
});
