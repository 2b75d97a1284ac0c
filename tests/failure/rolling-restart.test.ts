import { SERVICES } from '@gateway/protocol';
import { expect, test } from 'vitest';
import type { Answer } from '../cluster/client.ts';
import { useCluster } from './use-cluster.ts';

const LAME_DUCK_SECONDS = '1';
const CLIENTS = 8;

const cluster = useCluster({
  processes: { ingress: 2, 'provider-worker': 2, 'rate-limiter': 2, cache: 2, 'audit-writer': 2 },
  environments: { ingress: { GATEWAY_LAME_DUCK_SECONDS: LAME_DUCK_SECONDS } },
});

/** As a balancer does it: to an ingress that says it is ready, asked a moment ago. */
async function readyIngress(start: number): Promise<string> {
  const ids = ['ingress-1', 'ingress-2'];
  for (let turn = 0; ; turn += 1) {
    const id = ids[(start + turn) % ids.length] ?? '';
    const isReady = await fetch(`${cluster().process(id).baseUrl}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return id;
  }
}

test('a restart of every process, one after the other, fails no request', async () => {
  const { ask, createKey, processes } = cluster();
  const { key } = await createKey({
    limit: { requests: 1_000_000, window_seconds: 600 },
    concurrency: 2 * CLIENTS,
  });
  const answers: Answer[] = [];
  let isOver = false;
  const client = async (number: number) => {
    for (let round = 0; !isOver; round += 1) {
      const stream = round % 2 === 0;
      const asked = { text: 'sim:tokens=10;drip=20ms', stream };
      const ingress = await readyIngress(number + round);
      answers.push(await ask(asked, { key, ingress }));
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, number) => client(number));
  try {
    for (const service of SERVICES) {
      for (const process of processes.filter((one) => one.service === service)) {
        expect(await process.terminate()).toEqual({ code: 0, signal: null });
        await process.start();
      }
    }
  } finally {
    isOver = true;
    await Promise.all(clients);
  }
  expect(answers.length).toBeGreaterThan(5 * CLIENTS);
  const failed = answers.filter(({ status, end }) => status !== 200 || end !== 'whole');
  expect(failed.map(({ status, end, errorCode }) => ({ status, end, errorCode }))).toEqual([]);
});
