import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const COUNT = 5;
/** Longer than the second worker needs to be back on the bus. */
const WAITING = 'sim:delay=3000ms;tokens=5';

const cluster = useCluster({
  processes: { 'provider-worker': 2 },
  proxied: { 'provider-worker': ['nats'] },
});

test.each([false, true])(
  'another worker answers what one had taken (stream: %s)',
  async (stream) => {
    const { begin, process, simulator, calls, rows } = cluster();
    const [first, second] = [process('provider-worker-1'), process('provider-worker-2')];
    await second.link('nats').down();
    await second.notReady();
    const before = simulator.ledger.length;
    const asked = Array.from({ length: COUNT }, () => begin({ text: WAITING, stream }));
    await simulator.waitFor(({ id }) => id === before + COUNT);
    await second.link('nats').up();
    await second.ready();
    await first.kill();

    const answers = await Promise.all(asked.map(({ answer }) => answer));
    expect(answers.map(({ status, end }) => [status, end])).toEqual(
      Array(COUNT).fill([200, 'whole']),
    );
    for (const { requestId, text } of answers) {
      const made = calls(requestId);
      expect(made.map(({ ended }) => ended)).toEqual(['aborted-by-client', 'complete']);
      expect(text).toBe(made[1]?.text);
    }
    await cluster().quiet();
    for (const row of await rows(answers.map(({ requestId }) => requestId ?? ''))) {
      expect(row).toMatchObject({
        assumed: true,
        attempt_details: [
          { attempt: 1, error_code: 'worker_lost' },
          { attempt: 2, error_code: null, usage_source: 'provider', output_tokens: 5 },
        ],
      });
    }
    await first.start();
  },
);
