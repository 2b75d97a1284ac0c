import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

const STALL_MS = 2_500;
/** Blocks the event loop at SIGUSR2. */
const FAILPOINT = `
const cell = new Int32Array(new SharedArrayBuffer(4));
process.on('SIGUSR2', () => Atomics.wait(cell, 0, 0, ${STALL_MS}));`;
const nodeArguments = ['--import', `data:text/javascript,${encodeURIComponent(FAILPOINT)}`];

const cluster = useCluster({
  processes: { 'provider-worker': 2 },
  nodeArguments: {
    ingress: nodeArguments,
    'provider-worker': nodeArguments,
    'rate-limiter': nodeArguments,
    cache: nodeArguments,
    'audit-writer': nodeArguments,
  },
});

test('an ingress that stalls answers when it goes on, and its streams are whole', async () => {
  const { begin, ask, process, calls } = cluster();
  const streams = Array.from({ length: 5 }, () =>
    begin({ text: 'sim:tokens=60;drip=20ms', stream: true }),
  );
  await Promise.all(streams.map((asking) => asking.received(500)));
  process('ingress-1').node.kill('SIGUSR2');
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask()));
  // Shed or answered, and each told which.
  for (const { status, end } of answers) {
    expect(end).toBe('whole');
    expect([200, 503]).toContain(status);
  }
  for (const { end, errorCode, text, requestId } of await Promise.all(
    streams.map(({ answer }) => answer),
  )) {
    const said = calls(requestId)[0]?.text;
    if (end === 'whole') expect(text).toBe(said);
    else expect([end, said?.startsWith(text), errorCode]).toEqual(['error-event', true, errorCode]);
  }
  await waitFor(async () => (await ask()).status === 200, { what: 'the ingress to serve' });
});

test.each(['provider-worker', 'rate-limiter', 'cache', 'audit-writer'] as const)(
  'a %s that stalls is waited for or replaced',
  async (service) => {
    const { ask, process } = cluster();
    process(`${service}-1`).node.kill('SIGUSR2');
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) =>
        ask({ text: `sim:nonce=${service}${index}`, body: { temperature: 0 } }),
      ),
    );
    for (const { status, errorCode } of answers) {
      expect([
        [200, undefined],
        [502, 'worker_lost'],
      ]).toContainEqual([status, errorCode]);
    }
    await waitFor(async () => (await ask()).status === 200, { what: 'requests to be served' });
  },
);
