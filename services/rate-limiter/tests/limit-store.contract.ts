/** What every limit store keeps, on the clock of the world. Run by the test file of each store. */
import { type Limit, newRequestId } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LimitStore } from '../src/limit-store.ts';

/** `openTwin` gives another replica over the same state; without it the store has none. */
export interface StoreUnderTest {
  open(options?: { readonly slotLeaseMs: number }): Promise<LimitStore>;
  openTwin?: () => Promise<LimitStore>;
}

let scopes = 0;

export function newScope(): string {
  scopes += 1;
  return `key:contract-${process.pid}-${scopes}`;
}

function limitOf(scope: string, amount: number, windowSeconds = 3600): Limit {
  return { scope, kind: 'requests', amount, windowSeconds };
}

export function limitStoreContract(name: string, underTest: StoreUnderTest): void {
  describe(`${name} as a limit store`, () => {
    let stores: LimitStore[];
    let scope: string;

    beforeEach(async () => {
      stores = [await underTest.open()];
      if (underTest.openTwin) stores.push(await underTest.openTwin());
      scope = newScope();
    });
    afterEach(() => Promise.all(stores.map((store) => store[Symbol.asyncDispose]())));

    let turn = 0;
    const reserve = (...limits: Limit[]) => reserveAs(newRequestId(), ...limits);
    const reserveAs = (requestId: string, ...limits: Limit[]) => {
      turn += 1;
      const store = stores[turn % stores.length] as LimitStore;
      return store.reserve({ requestId, limits });
    };

    test('admits the amount, counting down, and refuses one more', async () => {
      const remaining = [];
      for (let count = 0; count < 3; count += 1) {
        const { allowed, limits, retryAfterMs } = await reserve(limitOf(scope, 3));
        expect({ allowed, retryAfterMs }).toEqual({ allowed: true, retryAfterMs: undefined });
        expect(limits[0]).toMatchObject({ scope, amount: 3 });
        remaining.push(limits[0]?.remaining);
      }
      expect(remaining).toEqual([2, 1, 0]);
      const refused = await reserve(limitOf(scope, 3));
      expect(refused).toMatchObject({ allowed: false, limits: [{ scope, remaining: 0 }] });
    });

    test('says when one more fits and when all is free, at most 61/60 of the window', async () => {
      const { limits } = await reserve(limitOf(scope, 1, 3600));
      const { retryAfterMs } = await reserve(limitOf(scope, 1, 3600));
      for (const waitMs of [limits[0]?.resetMs, retryAfterMs]) {
        expect(waitMs).toBeGreaterThan(3_590_000);
        expect(waitMs).toBeLessThanOrEqual(3_660_000);
      }
    });

    test('admits again after the time it named, never sooner', async () => {
      const limit = limitOf(scope, 2, 1);
      await reserve(limit);
      const lastAdmittedMs = performance.now();
      await reserve(limit);
      const refused = await reserve(limit);
      expect(refused.allowed).toBe(false);
      await waitFor(async () => (await reserve(limit)).allowed, { what: 'room in the window' });
      expect(performance.now() - lastAdmittedMs).toBeGreaterThan(990);
    });

    test('never admits more than the amount in any window under steady pressure', async () => {
      const limit = limitOf(scope, 5, 1);
      const admitted: number[] = [];
      await waitFor(
        async () => {
          const beforeMs = performance.now();
          if ((await reserve(limit)).allowed) admitted.push(beforeMs, performance.now());
          return admitted.length >= 2 * 16;
        },
        { what: '16 admissions', intervalMs: 2 },
      );
      for (let index = 0; index + 2 * 5 < admitted.length; index += 2) {
        const earliestMs = admitted[index] as number;
        const latestMs = admitted[index + 2 * 5 + 1] as number;
        expect(latestMs - earliestMs).toBeGreaterThan(1_000);
      }
    });

    test.for([1, 7, 499, 500, 501])(
      'admits exactly the amount of %i out of 500 at once',
      async (amount) => {
        const limit = limitOf(scope, amount);
        const replies = await Promise.all(Array.from({ length: 500 }, () => reserve(limit)));
        const admitted = replies.filter(({ allowed }) => allowed);
        expect(admitted).toHaveLength(Math.min(amount, 500));
        const remaining = admitted.map(({ limits }) => limits[0]?.remaining);
        expect(new Set(remaining).size).toBe(admitted.length);
      },
    );

    test('counts a refused request against none of its limits', async () => {
      const [wide, narrow] = [limitOf(newScope(), 10), limitOf(scope, 1)];
      await reserve(narrow);
      const refused = await reserve(wide, narrow);
      expect(refused.limits).toMatchObject([{ remaining: 10, resetMs: 0 }, { remaining: 0 }]);
      expect(refused.allowed).toBe(false);
      expect((await reserve(wide)).limits).toMatchObject([{ remaining: 9 }]);
    });

    test('waits for the slowest of several full limits and answers in their order', async () => {
      const [hour, day] = [limitOf(scope, 1, 3600), limitOf(newScope(), 1, 86_400)];
      await reserve(hour, day);
      const { limits, retryAfterMs } = await reserve(day, hour);
      expect(limits.map((state) => state.scope)).toEqual([day.scope, hour.scope]);
      expect(retryAfterMs).toBeGreaterThan(86_000_000);
    });

    test('counts windows of one scope and scopes of one window apart', async () => {
      await reserve(limitOf(scope, 1, 3600));
      expect((await reserve(limitOf(scope, 1, 7200))).allowed).toBe(true);
      expect((await reserve(limitOf(newScope(), 1, 3600))).allowed).toBe(true);
      expect((await reserve(limitOf(scope, 1, 3600))).allowed).toBe(false);
    });

    test('counts a repeated request once and gives it the same answer', async () => {
      const requestId = newRequestId();
      const limits = [limitOf(scope, 2), limitOf(newScope(), 9)];
      const first = await reserveAs(requestId, ...limits);
      expect(await reserveAs(requestId, ...limits)).toEqual(first);
      expect((await reserve(...limits)).limits).toMatchObject([{ remaining: 0 }, { remaining: 7 }]);
      expect(await reserveAs(requestId, ...limits)).toEqual(first);
    });

    test('counts a request once that is repeated at the same time', async () => {
      const requestId = newRequestId();
      const limit = limitOf(scope, 5);
      const replies = await Promise.all(
        Array.from({ length: 20 }, () => reserveAs(requestId, limit)),
      );
      expect(replies.every((reply) => reply.limits[0]?.remaining === 4)).toBe(true);
    });

    test('takes back nothing below zero when the amount is lowered', async () => {
      for (let count = 0; count < 4; count += 1) await reserve(limitOf(scope, 4));
      const refused = await reserve(limitOf(scope, 2));
      expect(refused).toMatchObject({ allowed: false, limits: [{ amount: 2, remaining: 0 }] });
      expect((await reserve(limitOf(scope, 5))).limits).toMatchObject([{ remaining: 0 }]);
    });

    test('keeps the largest limit a key may have', async () => {
      const { limits } = await reserve(limitOf(scope, 1_000_000_000, 31 * 24 * 60 * 60));
      expect(limits[0]?.remaining).toBe(999_999_999);
      expect(limits[0]?.resetMs).toBeGreaterThan(31 * 24 * 60 * 60 * 1000);
    });

    test('decides sixteen limits in one request', async () => {
      const limits = Array.from({ length: 16 }, () => limitOf(newScope(), 2));
      const reply = await reserve(...limits);
      expect(reply.limits.map(({ remaining }) => remaining)).toEqual(limits.map(() => 1));
    });
  });
}
