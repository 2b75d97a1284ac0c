import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { startCluster } from '../cluster/start-cluster.ts';

test('services that start before their streams are made wait for them, in any order', async () => {
  await using cluster = await startCluster({ start: false });
  const { processes, process, ask, simulator } = cluster;
  for (const one of [...processes].reverse()) one.launch();
  const ingress = process('ingress-1');
  const isUp = async () => (await fetch(`${ingress.operationsUrl}/livez`)).ok;
  await waitFor(isUp, { what: 'the ingress to live' });
  expect((await ingress.notReady()).failing).not.toEqual({});
  // It does not listen before it knows the keys.
  expect((await ask()).end).toBe('unreachable');
  expect(simulator.ledger).toHaveLength(0);
  await cluster.provision();
  await Promise.all(processes.map((one) => one.ready()));
  const answer = await ask();
  expect(answer.status).toBe(200);
  await cluster.quiet();
  expect(await cluster.problems([answer])).toEqual([]);
});
