import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { NO_USAGE } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ANSWER_OVERHEAD_BYTES,
  MemoryResponseStore,
  STORED_BYTES_MAX,
} from './memory-response-store.ts';
import { encodeResponse } from './stored-form.ts';

const entry = {
  contentType: 'text/plain',
  provider: 'openai',
  model: 'gpt',
  usage: NO_USAGE,
  storedAt: 1,
};
const EMPTY_ANSWER_BYTES =
  encodeResponse({ entry, body: new Uint8Array() }).length + ANSWER_OVERHEAD_BYTES;

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

function openStore(storedBytesMax?: number) {
  const clock = { nowMs: 0 };
  const bound = storedBytesMax === undefined ? {} : { storedBytesMax };
  const store = new MemoryResponseStore({ ...bound, nowMs: () => clock.nowMs });
  const address = (name: string) => {
    return { tenant: 'acme', key: createHash('sha256').update(name).digest('hex') };
  };
  return {
    clock,
    store,
    set: (name: string, bodyBytes: number, ttlSeconds = 60) =>
      store.set(address(name), { entry, body: new Uint8Array(bodyBytes) }, ttlSeconds),
    has: async (name: string) => (await store.get(address(name))) !== undefined,
  };
}

describe('MemoryResponseStore', () => {
  test('keeps answers up to the bound and drops the least recently used one past it', async () => {
    const { store, set, has } = openStore(3 * EMPTY_ANSWER_BYTES + 30);
    for (const name of ['a', 'b', 'c']) await set(name, 10);
    expect(store.storedBytes).toBe(3 * EMPTY_ANSWER_BYTES + 30);
    expect(await has('a')).toBe(true);
    await set('c', 11);
    expect([await has('a'), await has('b'), await has('c')]).toEqual([true, false, true]);
  });

  test('keeps an answer as large as the bound and not one that is a byte larger', async () => {
    const { store, set, has } = openStore(EMPTY_ANSWER_BYTES + 100);
    await set('a', 100);
    expect(await has('a')).toBe(true);
    await set('b', 101);
    expect([await has('a'), await has('b'), store.storedBytes]).toEqual([false, false, 0]);
  });

  test('keeps no memory of other buffers with an answer', async () => {
    const { set } = openStore();
    const arrayBuffersKept = () => {
      collectGarbage();
      // Waits until the memory that the first one found free is given back.
      collectGarbage();
      return process.memoryUsage().arrayBuffers;
    };
    const before = arrayBuffersKept();
    const answers = 1_000;
    for (let count = 0; count < answers; count += 1) {
      await set(`${count}`, 200);
      Buffer.allocUnsafe(Buffer.poolSize / 16);
    }
    expect(arrayBuffersKept() - before).toBeLessThan(answers * EMPTY_ANSWER_BYTES);
  });

  test('keeps 64 MiB unless told otherwise', async () => {
    const { store, set } = openStore();
    for (let count = 0; count < 70; count += 1) await set(`${count}`, 1024 * 1024);
    expect(store.storedBytes).toBeLessThanOrEqual(STORED_BYTES_MAX);
    expect(store.storedBytes).toBeGreaterThan(62 * 1024 * 1024);
  });

  test('forgets an answer when its time is over, and its bytes with it', async () => {
    const { clock, store, set, has } = openStore();
    await set('a', 10, 60);
    clock.nowMs = 59_999;
    expect(await has('a')).toBe(true);
    clock.nowMs = 60_000;
    expect([await has('a'), store.storedBytes]).toEqual([false, 0]);
  });

  test('counts its bytes right over any stores and lookups', async () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const step = fc.oneof(
      fc.record({ name, bodyBytes: fc.integer({ min: 0, max: 500 }) }),
      fc.record({ name, passMs: fc.integer({ min: 0, max: 40_000 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
        const bytesMax = 3 * EMPTY_ANSWER_BYTES;
        const { clock, store, set, has } = openStore(bytesMax);
        for (const one of steps) {
          if ('bodyBytes' in one) await set(one.name, one.bodyBytes);
          else clock.nowMs += one.passMs;
          await has(one.name);
          expect(store.storedBytes).toBeLessThanOrEqual(bytesMax);
        }
        clock.nowMs += 60_000;
        for (const each of ['a', 'b', 'c', 'd']) expect(await has(each)).toBe(false);
        expect(store.storedBytes).toBe(0);
      }),
    );
  });
});
