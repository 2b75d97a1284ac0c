import { waitFor } from '@gateway/testing';
import { expect, test } from 'vitest';
import { runRedis } from '../cluster/redis-command.ts';
import { useCluster } from './use-cluster.ts';

const SLOTS = 3;
/** The lease of a slot, and a margin. */
const LAPSED_WITHIN_MS = 40_000;

const cluster = useCluster({
  processes: { ingress: 2 },
  configuration: 'timeouts: { first_byte_seconds: 5, idle_seconds: 5, total_seconds: 30 }',
});

/** Known to both, and without a request of its own that might still hold a slot. */
async function limitedKey(): Promise<string> {
  const { createKey, process } = cluster();
  const { key } = await createKey({ concurrency: SLOTS });
  const headers = { authorization: `Bearer ${key}` };
  for (const ingress of ['ingress-1', 'ingress-2']) {
    const url = `${process(ingress).baseUrl}/v1/models`;
    await waitFor(async () => (await fetch(url, { headers })).ok, { what: 'the key to be known' });
  }
  return key;
}

const STREAM = { text: 'sim:tokens=500;drip=50ms', stream: true };

test('slots that an ingress held when it was killed are free again once their lease has lapsed', async () => {
  const { ask, begin, process } = cluster();
  const key = await limitedKey();
  const held = Array.from({ length: SLOTS }, () => begin(STREAM, { key }));
  await Promise.all(held.map((asking) => asking.received(500)));
  await process('ingress-1').kill();
  const where = { key, ingress: 'ingress-2' };
  const refused = await ask({}, where);
  expect([refused.status, refused.errorCode]).toEqual([429, 'concurrency_limit_exceeded']);
  const all = async () => {
    const answers = await Promise.all(
      Array.from({ length: SLOTS }, () => ask({ text: 'sim:delay=300ms' }, where)),
    );
    return answers.every(({ status }) => status === 200);
  };
  await waitFor(all, {
    what: 'every slot to be free',
    timeoutMs: LAPSED_WITHIN_MS,
    intervalMs: 500,
  });
  await process('ingress-1').start();
});

test('slots that Redis forgot are taken again while their requests run', async () => {
  const { ask, begin, redis } = cluster();
  const key = await limitedKey();
  const held = Array.from({ length: SLOTS }, () => begin(STREAM, { key }));
  await Promise.all(held.map((asking) => asking.received(500)));
  await runRedis(redis.port, 'FLUSHALL');
  const isFull = async () => (await ask({}, { key })).status === 429;
  await waitFor(isFull, { what: 'the slots to be taken again', timeoutMs: 20_000 });
  for (const asking of held) asking.leave();
  const isFree = async () => (await ask({}, { key })).status === 200;
  await waitFor(isFree, { what: 'the slots to be given back' });
});
