import { newRequestId } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ADMISSION_MEMORY_MS } from './limit-store.ts';
import {
  MemoryLimitStore,
  type MemoryLimitStoreOptions,
  PAST_ADMISSIONS_MAX,
} from './memory-limit-store.ts';

const START_MS = 1_760_000_000_000;

function openStore(options: Omit<MemoryLimitStoreOptions, 'nowMs'> = {}) {
  const clock = { nowMs: START_MS };
  const store = new MemoryLimitStore({ ...options, nowMs: () => clock.nowMs });
  const reserve = (
    scope: string,
    { amount = 1, windowSeconds = 60, requestId = newRequestId() } = {},
  ) => store.reserve({ requestId, limits: [{ scope, kind: 'requests', amount, windowSeconds }] });
  return { clock, store, reserve };
}

describe('MemoryLimitStore', () => {
  test('never admits more than the amount in any window, and refuses only a full one', async () => {
    const arrivals = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 200 });
    const amounts = fc.integer({ min: 1, max: 12 });
    const lengths = fc.integer({ min: 1, max: 3 });
    await fc.assert(
      fc.asyncProperty(arrivals, amounts, lengths, async (gapsMs, amount, windowSeconds) => {
        const { clock, reserve } = openStore();
        const windowMs = windowSeconds * 1000;
        const heldMsMax = Math.ceil((windowMs * 61) / 60);
        const admitted: number[] = [];
        for (const gapMs of gapsMs) {
          clock.nowMs += gapMs;
          const { allowed } = await reserve('key:a', { amount, windowSeconds });
          if (allowed) admitted.push(clock.nowMs);
          const oldest = admitted.at(-amount) ?? Number.NEGATIVE_INFINITY;
          if (!allowed) expect(clock.nowMs - oldest).toBeLessThan(heldMsMax);
        }
        for (const [index, atMs] of admitted.entries()) {
          const next = admitted[index + amount];
          if (next !== undefined) expect(next - atMs).toBeGreaterThan(windowMs);
        }
      }),
    );
  });

  test('admits again at the millisecond it named and not one before', async () => {
    const gaps = fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 5, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(gaps, async (gapsMs) => {
        const { clock, reserve } = openStore();
        const limit = { amount: 3, windowSeconds: 2 };
        for (const gapMs of gapsMs) {
          clock.nowMs += gapMs;
          const { retryAfterMs } = await reserve('key:a', limit);
          if (retryAfterMs === undefined) continue;
          clock.nowMs += retryAfterMs - 1;
          expect((await reserve('key:a', limit)).allowed).toBe(false);
          clock.nowMs += 1;
          expect((await reserve('key:a', limit)).allowed).toBe(true);
        }
      }),
    );
  });

  test('has the whole amount again once the reset is over', async () => {
    const { clock, reserve } = openStore();
    await reserve('key:a', { amount: 2 });
    clock.nowMs += 12_345;
    const { limits } = await reserve('key:a', { amount: 2 });
    clock.nowMs += limits[0]?.resetMs ?? 0;
    expect((await reserve('key:a', { amount: 2 })).limits[0]?.remaining).toBe(1);
  });

  test('remembers an admission for its time and not longer', async () => {
    const { clock, reserve } = openStore();
    const options = { amount: 2, windowSeconds: 24 * 60 * 60, requestId: newRequestId() };
    const first = await reserve('key:a', options);
    clock.nowMs += ADMISSION_MEMORY_MS - 1;
    expect(await reserve('key:a', options)).toEqual(first);
    clock.nowMs += 1;
    expect((await reserve('key:a', options)).limits[0]?.remaining).toBe(0);
  });

  test('forgets the oldest admission when one more than the bound is remembered', async () => {
    const { reserve } = openStore({ admissionsMax: 2 });
    const [first, second, third] = [newRequestId(), newRequestId(), newRequestId()];
    const remaining = async (requestId: string) =>
      (await reserve('key:a', { amount: 9, requestId })).limits[0]?.remaining;
    expect([await remaining(first), await remaining(second)]).toEqual([8, 7]);
    expect(await remaining(third)).toBe(6);
    expect(await remaining(third)).toBe(6);
    expect(await remaining(first)).toBe(5);
  });

  test('counts windows up to the bound and refuses one past it', async () => {
    const { reserve } = openStore({ countersMax: 2 });
    await reserve('key:a', { amount: 5 });
    await reserve('key:b', { amount: 5 });
    await expect(reserve('key:c')).rejects.toMatchObject({ code: 'overloaded' });
    expect((await reserve('key:a', { amount: 5 })).limits[0]?.remaining).toBe(3);
  });

  test('counts nothing for a request that it has no room for', async () => {
    const { store, reserve } = openStore({ countersMax: 1 });
    const limits = ['key:a', 'tenant:b'].map((scope) => {
      return { scope, kind: 'requests' as const, amount: 5, windowSeconds: 60 };
    });
    const reservation = store.reserve({ requestId: newRequestId(), limits });
    await expect(reservation).rejects.toMatchObject({ code: 'overloaded' });
    expect((await reserve('key:a', { amount: 5 })).limits[0]?.remaining).toBe(4);
  });

  test('makes room by dropping windows that hold nothing any more', async () => {
    const { clock, reserve } = openStore({ countersMax: 2 });
    await reserve('key:a');
    clock.nowMs += 30_000;
    await reserve('key:b');
    clock.nowMs += 31_000;
    expect((await reserve('key:c')).allowed).toBe(true);
    await expect(reserve('key:d')).rejects.toMatchObject({ code: 'overloaded' });
    expect((await reserve('key:b')).allowed).toBe(false);
  });

  test('goes on with the admissions of the process before it', async () => {
    const past = [
      { scope: 'key:a', atMs: START_MS - 61_000, requests: 50 },
      { scope: 'key:a', atMs: START_MS - 30_000, requests: 2 },
      { scope: 'key:a', atMs: START_MS - 10_000, requests: 1 },
      { scope: 'key:b', atMs: START_MS - 10_000, requests: 9 },
    ];
    const { clock, reserve } = openStore({ past });
    const refused = await reserve('key:a', { amount: 3 });
    expect(refused).toMatchObject({ allowed: false, limits: [{ remaining: 0 }] });
    clock.nowMs += refused.retryAfterMs ?? 0;
    const limits = (await reserve('key:a', { amount: 3 })).limits;
    expect(limits).toMatchObject([{ remaining: 1 }]);
    const hour = { amount: 100, windowSeconds: 3600 };
    expect((await reserve('key:a', hour)).limits).toMatchObject([{ remaining: 46 }]);
  });

  test('counts a past admission with a time in the future as made now', async () => {
    const past = [{ scope: 'key:a', atMs: START_MS + 3_600_000, requests: 1 }];
    const { clock, reserve } = openStore({ past });
    expect((await reserve('key:a')).allowed).toBe(false);
    clock.nowMs += 61_000;
    expect((await reserve('key:a')).allowed).toBe(true);
  });

  test('takes as many past admissions as the bound and not one more', () => {
    const entry = { scope: 'key:a', atMs: START_MS, requests: 1 };
    const past = Array.from({ length: PAST_ADMISSIONS_MAX }, () => entry);
    expect(() => openStore({ past })).not.toThrow();
    expect(() => openStore({ past: [...past, entry] })).toThrow(RangeError);
  });
});
