import { waitFor } from '@gateway/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { runRedis } from '../cluster/redis-command.ts';
import { useCluster } from './use-cluster.ts';

const cluster = useCluster();
const cacheable = (nonce: string) => ({ text: `sim:nonce=${nonce}`, body: { temperature: 0 } });
let limited: string;

beforeAll(async () => {
  const { createKey, ask } = cluster();
  ({ key: limited } = await createKey({ limit: { requests: 1_000, window_seconds: 600 } }));
  const works = async () => (await ask({}, { key: limited })).status === 200;
  await waitFor(works, { what: 'the key to work' });
});

const refusals = [
  { name: 'is out of memory', begin: 'CONFIG SET maxmemory 1', end: 'CONFIG SET maxmemory 0' },
  { name: 'became read-only', begin: 'REPLICAOF 127.0.0.1 1', end: 'REPLICAOF NO ONE' },
];

describe.each(refusals)('a Redis that $name', ({ name, begin, end }) => {
  test('admits nothing against a limit, and still finds what it has stored', async () => {
    const { ask, redis, simulator } = cluster();
    const outcome = async (nonce: string) => {
      const { status, headers } = await ask(cacheable(`${name.replaceAll(' ', '')}${nonce}`));
      expect(status).toBe(200);
      return headers['x-gateway-cache'];
    };
    expect(await outcome('kept')).toBe('miss');
    const isStored = async () => (await outcome('kept')) === 'hit';
    await waitFor(isStored, { what: 'the answer to be stored' });
    await runRedis(redis.port, begin);
    const before = simulator.ledger.length;
    const refused = await ask({}, { key: limited });
    expect([refused.status, refused.errorCode]).toEqual([503, 'limiter_unavailable']);
    expect(simulator.ledger).toHaveLength(before);
    expect(await outcome('kept')).toBe('hit');
    // Not stored, so it is asked for again.
    expect([await outcome('new'), await outcome('new')]).toEqual(['miss', 'miss']);
    await runRedis(redis.port, end);
    const counts = async () => (await ask({}, { key: limited })).status === 200;
    await waitFor(counts, { what: 'limits to be counted again' });
  });
});

test('a Redis that forgot the scripts is taught them again, unseen by clients', async () => {
  const { ask, redis } = cluster();
  await runRedis(redis.port, 'SCRIPT FLUSH');
  const answers = await Promise.all(Array.from({ length: 10 }, () => ask({}, { key: limited })));
  expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200));
});
