/** What every limit store keeps of slots, on the clock of the world. Run by the test file of each. */
import { type Limit, newRequestId, SLOT_LEASE_MS } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LimitStore, SLOT_RETRY_AFTER_MS } from '../src/limit-store.ts';
import { newScope, type StoreUnderTest } from './limit-store.contract.ts';

function slotsOf(scope: string, amount: number): Limit {
  return { scope, kind: 'concurrency', amount };
}

function requestsOf(scope: string, amount: number): Limit {
  return { scope, kind: 'requests', amount, windowSeconds: 3600 };
}

export function slotStoreContract(name: string, underTest: StoreUnderTest): void {
  describe(`${name} as a store of slots`, () => {
    let store: LimitStore;
    let scope: string;

    beforeEach(async () => {
      store = await underTest.open();
      scope = newScope();
    });
    afterEach(() => store[Symbol.asyncDispose]());

    const reserve = (...limits: Limit[]) => reserveAs(newRequestId(), ...limits);
    const reserveAs = (requestId: string, ...limits: Limit[]) =>
      store.reserve({ requestId, limits });
    const held = (requestId: string, ...scopes: string[]) => ({
      requestId,
      scopes: scopes.length > 0 ? scopes : [scope],
    });
    /** How many are free, without taking one: a window that is full refuses the request. */
    const free = async (amount: number) => {
      const full = requestsOf(newScope(), 1);
      await reserve(full);
      const { allowed, limits } = await reserve(full, slotsOf(scope, amount));
      expect(allowed).toBe(false);
      return limits[1]?.remaining;
    };

    test('admits the amount, counting down, and refuses one more', async () => {
      const first = await reserve(slotsOf(scope, 2));
      expect(first).toEqual({
        allowed: true,
        limits: [{ scope, kind: 'concurrency', amount: 2, remaining: 1, resetMs: SLOT_LEASE_MS }],
      });
      expect(await reserve(slotsOf(scope, 2))).toMatchObject({ limits: [{ remaining: 0 }] });
      expect(await reserve(slotsOf(scope, 2))).toEqual({
        allowed: false,
        limits: [{ scope, kind: 'concurrency', amount: 2, remaining: 0, resetMs: SLOT_LEASE_MS }],
        refusedBy: { scope, kind: 'concurrency' },
        retryAfterMs: SLOT_RETRY_AFTER_MS,
      });
    });

    test('admits exactly the amount of many at once', async () => {
      const replies = await Promise.all(
        Array.from({ length: 200 }, () => reserve(slotsOf(scope, 37))),
      );
      expect(replies.filter(({ allowed }) => allowed)).toHaveLength(37);
    });

    test('admits another when a slot is released', async () => {
      const [first, second] = [newRequestId(), newRequestId()];
      await reserveAs(first, slotsOf(scope, 1));
      expect((await reserveAs(second, slotsOf(scope, 1))).allowed).toBe(false);
      await store.release(held(first));
      expect((await reserveAs(second, slotsOf(scope, 1))).allowed).toBe(true);
    });

    test('takes no slot for a request that a window refuses, and counts none without a slot', async () => {
      const [full, wide] = [requestsOf(newScope(), 1), requestsOf(newScope(), 9)];
      await reserve(full);
      const byWindow = await reserve(slotsOf(scope, 1), full);
      expect(byWindow.refusedBy).toEqual({ scope: full.scope, kind: 'requests' });
      expect(await free(1)).toBe(1);
      await reserve(slotsOf(scope, 1));
      const bySlots = await reserve(wide, slotsOf(scope, 1));
      expect(bySlots.refusedBy).toEqual({ scope, kind: 'concurrency' });
      expect((await reserve(wide)).limits).toMatchObject([{ remaining: 8 }]);
    });

    test('names the limit with the longest wait when several are used up', async () => {
      const window = requestsOf(scope, 1);
      await reserve(slotsOf(scope, 1), window);
      const { refusedBy, retryAfterMs } = await reserve(slotsOf(scope, 1), window);
      expect(refusedBy).toEqual({ scope, kind: 'requests' });
      expect(retryAfterMs).toBeGreaterThan(3_500_000);
    });

    test('holds a slot in each scope of a request and releases them together', async () => {
      const other = newScope();
      const requestId = newRequestId();
      await reserveAs(requestId, slotsOf(scope, 1), slotsOf(other, 5));
      expect((await reserve(slotsOf(other, 5))).limits).toMatchObject([{ remaining: 3 }]);
      await store.release(held(requestId, scope, other));
      expect(await free(1)).toBe(1);
      expect((await reserve(slotsOf(other, 5))).limits).toMatchObject([{ remaining: 3 }]);
    });

    test('counts a repeated request once', async () => {
      const requestId = newRequestId();
      const replies = await Promise.all(
        Array.from({ length: 9 }, () => reserveAs(requestId, slotsOf(scope, 5))),
      );
      expect(replies.every(({ limits }) => limits[0]?.remaining === 4)).toBe(true);
      expect(await free(5)).toBe(4);
    });

    test('does nothing for a release that is repeated or unknown', async () => {
      const requestId = newRequestId();
      await reserve(slotsOf(scope, 3));
      await reserveAs(requestId, slotsOf(scope, 3));
      for (let count = 0; count < 3; count += 1) await store.release(held(requestId));
      await store.release(held(newRequestId()));
      await store.release(held(newRequestId(), newScope()));
      expect(await free(3)).toBe(2);
    });

    test('takes no slot again when a reservation or a renewal comes after the release', async () => {
      const [known, unknown] = [newRequestId(), newRequestId()];
      await reserveAs(known, slotsOf(scope, 3));
      for (const requestId of [known, unknown]) await store.release(held(requestId));
      expect((await reserveAs(known, slotsOf(scope, 3))).allowed).toBe(true);
      expect((await reserveAs(unknown, slotsOf(scope, 3))).allowed).toBe(true);
      await store.renew([held(known), held(unknown)]);
      expect(await free(3)).toBe(3);
    });

    test('takes a slot again that it does not know, even beyond the amount', async () => {
      const running = Array.from({ length: 3 }, newRequestId);
      await store.renew(running.map((requestId) => held(requestId)));
      expect(await free(5)).toBe(2);
      expect((await reserve(slotsOf(scope, 2))).allowed).toBe(false);
      await store.renew(running.map((requestId) => held(requestId)));
      expect(await free(5)).toBe(2);
      for (const requestId of running) await store.release(held(requestId));
      expect(await free(5)).toBe(5);
    });

    test('gives a slot back that nobody renews, and keeps one that is renewed', async () => {
      const [kept, lapsing] = [newRequestId(), newRequestId()];
      await store[Symbol.asyncDispose]();
      store = await underTest.open({ slotLeaseMs: 300 });
      for (const requestId of [kept, lapsing]) {
        await reserveAs(requestId, slotsOf(scope, 2));
      }
      await waitFor(
        async () => {
          await store.renew([held(kept)]);
          return (await free(2)) === 1;
        },
        { what: 'the lease to end' },
      );
      await store.release(held(kept));
      expect(await free(2)).toBe(2);
    });
  });
}
