import { SERVICES } from '@gateway/protocol';
import { expect, test } from 'vitest';
import { useCluster } from './use-cluster.ts';

/** Throws in a turn of the event loop of its own, where nobody catches, at SIGUSR2. */
const FAILPOINT =
  "process.on('SIGUSR2', () => setImmediate(() => { throw new Error('failpoint'); }));";
const nodeArguments = ['--import', `data:text/javascript,${encodeURIComponent(FAILPOINT)}`];

const cluster = useCluster({
  nodeArguments: Object.fromEntries(SERVICES.map((service) => [service, nodeArguments])),
});

test.each(SERVICES)(
  '%s drains and ends with 1 after an error that nobody caught',
  async (service) => {
    const { process, ask } = cluster();
    const failing = process(`${service}-1`);
    failing.node.kill('SIGUSR2');
    expect(await failing.node.waitExit()).toEqual({ code: 1, signal: null });
    const said = failing.records.find(({ msg }) => msg === 'an error was not caught');
    expect(said).toBeDefined();
    await failing.start();
    expect((await ask()).status).toBe(200);
  },
);

test.each(['ingress', 'provider-worker'] as const)(
  '%s brings a running stream to its end before',
  async (service) => {
    const { process, begin } = cluster();
    const failing = process(`${service}-1`);
    const asking = begin({ text: 'sim:tokens=30;drip=50ms', stream: true });
    await asking.received(500);
    failing.node.kill('SIGUSR2');
    const { end, text } = await asking.answer;
    expect(end).toBe('whole');
    expect(text.split(' ')).toHaveLength(30);
    expect((await failing.node.waitExit()).code).toBe(1);
    await failing.start();
  },
);
