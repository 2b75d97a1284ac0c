import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cluster, startCluster } from './start-cluster.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await startCluster({
    processes: { ingress: 2 },
    proxied: { ingress: ['nats'], 'provider-worker': ['provider'] },
  });
});
afterAll(() => cluster?.[Symbol.asyncDispose]());

test('clients, the ledger and the provider agree on what went well', async () => {
  const answers = await Promise.all([
    cluster.ask({ text: 'Hello' }),
    cluster.ask({ text: 'sim:tokens=20', stream: true }, { ingress: 'ingress-2' }),
    cluster.ask({ text: 'sim:status=400' }),
  ]);
  expect(answers.map(({ status, end }) => [status, end])).toEqual([
    [200, 'whole'],
    [200, 'whole'],
    [400, 'whole'],
  ]);
  expect(answers[1]?.text.split(' ')).toHaveLength(20);
  await cluster.quiet();
  expect(await cluster.problems(answers)).toEqual([]);
  // What nobody asked for, and what nobody recorded, is told.
  expect(await cluster.problems(answers.slice(1))).toHaveLength(1);
  await cluster.sql('DELETE FROM requests');
  expect(await cluster.problems(answers)).toHaveLength(6);
});

test('a link goes down and up', async () => {
  const { simulator } = cluster;
  const link = cluster.process('provider-worker-1').link('provider');
  await link.down();
  const calls = simulator.ledger.length;
  expect((await cluster.ask()).status).toBe(502);
  expect(simulator.ledger).toHaveLength(calls);
  await link.up();
  expect((await cluster.ask()).status).toBe(200);
});

test('a process is killed, paused and started again with the data that it had', async () => {
  const ingress = cluster.process('ingress-2');
  const { pid } = ingress.node;
  await ingress.restart();
  expect(ingress.node.pid).not.toBe(pid);
  expect((await cluster.ask({}, { ingress: 'ingress-2' })).status).toBe(200);
  ingress.pause();
  const asking = cluster.begin({}, { ingress: 'ingress-2' });
  await cluster.ask();
  ingress.resume();
  expect((await asking.answer).status).toBe(200);
});

test('a client that leaves or stalls is one', async () => {
  const leaving = cluster.begin({ text: 'sim:tokens=100;drip=20ms', stream: true });
  await leaving.received();
  leaving.leave();
  expect(await leaving.answer).toMatchObject({ end: 'left', status: 200 });
});
