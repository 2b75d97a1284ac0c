import { type BucketName, buckets, newInstanceId } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { describe, expect, test } from 'vitest';
import type { Bus } from '../../src/bus.ts';
import type { Peers } from './bus-fixture.ts';
import { rejection } from './sample-messages.ts';

interface Seen {
  /** `key=value` or `key deleted`, and `ready`. */
  readonly log: string[];
}

/** Watches the keys with this prefix. */
async function watching(bus: Bus, name: BucketName, prefix: string): Promise<Seen> {
  const log: string[] = [];
  const bucket = await bus.bucket(name);
  await bucket.watch({
    changed: (key, entry) => {
      if (!key.startsWith(prefix)) return;
      log.push(entry === undefined ? `${key} deleted` : `${key}=${JSON.stringify(entry.value)}`);
    },
    ready: () => log.push('ready'),
  });
  return { log };
}

async function until({ log }: Seen, length: number): Promise<string[]> {
  await waitFor(() => log.length >= length, { what: `${length} lines of the watcher` });
  return [...log];
}

export function bucketCases(peers: Peers): void {
  describe('buckets', () => {
    test('an empty bucket is ready at once', async () => {
      const worker = await peers.connect('provider-worker');
      const seen = await watching(worker, buckets.configuration, '');
      expect(await until(seen, 1)).toEqual(['ready']);
    });

    test('gets what was put, with a growing revision, and nothing after a delete', async () => {
      const ingress = await peers.connect('ingress');
      const bucket = await ingress.bucket(buckets.keys);
      const key = `k-${newInstanceId()}_A`;
      expect(await bucket.get(key)).toBeUndefined();
      const first = await bucket.put(key, { name: 'ü', list: [1, null] });
      expect(await bucket.get(key)).toEqual({
        value: { name: 'ü', list: [1, null] },
        revision: first,
      });
      const second = await bucket.put(key, 'b');
      expect(second).toBeGreaterThan(first);
      expect(await bucket.get(key)).toEqual({ value: 'b', revision: second });
      await bucket.delete(key);
      expect(await bucket.get(key)).toBeUndefined();
    });

    test('watchers see the snapshot, ready, then changes in order up to the last', async () => {
      const prefix = newInstanceId();
      const [one, two] = [await peers.connect('ingress'), await peers.connect('ingress')];
      const bucket = await one.bucket(buckets.keys);
      await bucket.put(`${prefix}-a`, 1);
      await bucket.put(`${prefix}-b`, 1);
      await bucket.put(`${prefix}-a`, 2);
      await bucket.put(`${prefix}-c`, 1);
      await bucket.delete(`${prefix}-c`);
      const watchers = [
        await watching(one, buckets.keys, prefix),
        await watching(two, buckets.keys, prefix),
      ];
      for (const seen of watchers) {
        const snapshot = await until(seen, 3);
        expect(snapshot.slice(0, 2).sort()).toEqual([`${prefix}-a=2`, `${prefix}-b=1`]);
        expect(snapshot[2]).toBe('ready');
      }
      for (let value = 3; value <= 20; value += 1) await bucket.put(`${prefix}-a`, value);
      await bucket.delete(`${prefix}-b`);
      await bucket.put(`${prefix}-b`, 'again');
      for (const seen of watchers) {
        await waitFor(() => seen.log.at(-1) === `${prefix}-b="again"`, { what: 'the last change' });
        const changes = seen.log.slice(3);
        const counted = Array.from({ length: 18 }, (_, index) => `${prefix}-a=${index + 3}`);
        const all = [...counted, `${prefix}-b deleted`, `${prefix}-b="again"`];
        // A value that is overwritten before it is delivered may be left out, and nothing else may.
        expect(changes).toEqual(all.filter((change) => changes.includes(change)));
        expect(changes).toContain(`${prefix}-a=20`);
      }
    });

    test('a change reaches a watcher in well under a second', async () => {
      const prefix = newInstanceId();
      const [one, two] = [await peers.connect('ingress'), await peers.connect('ingress')];
      const seen = await watching(two, buckets.keys, prefix);
      await until(seen, 1);
      const bucket = await one.bucket(buckets.keys);
      const startedAt = performance.now();
      await bucket.put(`${prefix}-a`, 1);
      await until(seen, 2);
      expect(performance.now() - startedAt).toBeLessThan(500);
    });

    test('a drained watcher hears nothing more', async () => {
      const prefix = newInstanceId();
      const ingress = await peers.connect('ingress');
      const bucket = await ingress.bucket(buckets.keys);
      const heard: string[] = [];
      const ready = Promise.withResolvers<void>();
      const subscription = await bucket.watch({
        changed: (key) => key.startsWith(prefix) && heard.push(key),
        ready: () => ready.resolve(),
      });
      await ready.promise;
      await subscription.drain();
      const other = await watching(ingress, buckets.keys, prefix);
      await until(other, 1);
      await bucket.put(`${prefix}-a`, 1);
      await until(other, 2);
      expect(heard).toEqual([]);
    });

    test.each(['', 'a.b', 'a b', '>', '*', 'k'.repeat(129)])('refuses the key %j', async (key) => {
      const ingress = await peers.connect('ingress');
      const bucket = await ingress.bucket(buckets.keys);
      const put = Promise.resolve().then(() => bucket.put(key, 1));
      expect((await rejection(put)).code).toBe('internal');
    });
  });
}
