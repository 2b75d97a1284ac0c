/**
 * What every response store keeps, on the clock of the world. Run by the test file of each store.
 */
import { createHash, randomBytes } from 'node:crypto';
import { CACHED_BODY_BYTES_MAX, NO_USAGE } from '@gateway/protocol';
import { waitFor } from '@gateway/testing';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ResponseAddress, ResponseStore } from '../src/response-store.ts';

/** What a client of Redis says that had no answer in time, and then has no connection for a moment. */
const TOO_LATE = /timed out|timeout|too late|connect|closed|writeable/i;

let addresses = 0;

function newAddress(tenant = 'acme'): ResponseAddress {
  addresses += 1;
  return { tenant, key: createHash('sha256').update(`${addresses}`).digest('hex') };
}

function answerOf(body: Uint8Array) {
  const usage = { ...NO_USAGE, inputTokens: 12, outputTokens: 34 };
  return {
    entry: {
      contentType: 'application/json',
      provider: 'openai',
      model: 'gpt',
      usage,
      storedAt: 5,
    },
    body,
  };
}

export function responseStoreContract(name: string, open: () => Promise<ResponseStore>): void {
  describe(`${name} as a response store`, () => {
    let store: ResponseStore;

    beforeEach(async () => {
      store = await open();
    });
    afterEach(() => store[Symbol.asyncDispose]());

    const bodyAt = async (address: ResponseAddress) => {
      const found = await store.get(address);
      return found && Buffer.from(found.body);
    };

    test('has nothing that was not stored', async () => {
      expect(await store.get(newAddress())).toBeUndefined();
    });

    test.for([
      ['no', Buffer.alloc(0)],
      ['binary', randomBytes(4096)],
      ['the most', randomBytes(CACHED_BODY_BYTES_MAX)],
    ] as const)('gives back an answer of %s bytes as it was', async ([, body]) => {
      const address = newAddress();
      await store.set(address, answerOf(body), 60);
      const found = await store.get(address);
      expect(found?.entry).toEqual(answerOf(body).entry);
      expect(body.equals(found?.body ?? Buffer.from('nothing'))).toBe(true);
    });

    test('keeps what was stored when the bytes it was given change', async () => {
      const address = newAddress();
      const body = Buffer.from('before');
      await store.set(address, answerOf(body), 60);
      body.write('after!');
      expect((await bodyAt(address))?.toString()).toBe('before');
    });

    test('replaces an answer', async () => {
      const address = newAddress();
      await store.set(address, answerOf(Buffer.from('first')), 60);
      await store.set(address, answerOf(Buffer.from('second')), 60);
      expect((await bodyAt(address))?.toString()).toBe('second');
    });

    test('forgets an answer when its time is over', async () => {
      const address = newAddress();
      const storedMs = performance.now();
      await store.set(address, answerOf(Buffer.from('short')), 1);
      expect((await bodyAt(address))?.toString()).toBe('short');
      const isGone = async () => (await store.get(address)) === undefined;
      await waitFor(isGone, { what: 'the answer to be forgotten' });
      expect(performance.now() - storedMs).toBeGreaterThan(990);
    });

    test('refuses a tenant that is none', async () => {
      const address = { ...newAddress(), tenant: 'acme:*' };
      await expect(store.get(address)).rejects.toMatchObject({ code: 'invalid_request' });
      const storing = store.set(address, answerOf(Buffer.alloc(1)), 60);
      await expect(storing).rejects.toMatchObject({ code: 'invalid_request' });
    });

    test('never gives one tenant the bytes of another', async () => {
      const shared = Array.from({ length: 5 }, () => newAddress().key);
      const step = fc.record({
        tenant: fc.constantFrom('acme', 'acme-2', 'acm', 'other'),
        key: fc.constantFrom(...shared),
        stores: fc.boolean(),
      });
      // Of thousands of questions a busy machine may leave some without an answer in time.
      const inTime = <Result>(asking: Promise<Result>) =>
        asking.catch((error: unknown) => {
          expect(error).toMatchObject({ facts: { detail: expect.stringMatching(TOO_LATE) } });
          return undefined;
        });
      let answered = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
          for (const { tenant, key, stores } of steps) {
            const mark = `${tenant}/${key}`;
            const storing = () => store.set({ tenant, key }, answerOf(Buffer.from(mark)), 60);
            const isStored = stores && (await inTime(storing().then(() => true)));
            const answer = await inTime(bodyAt({ tenant, key }).then((body) => ({ body })));
            if (answer === undefined) continue;
            answered += 1;
            if (isStored || answer.body) expect(answer.body?.toString()).toBe(mark);
          }
        }),
        { numRuns: 50 },
      );
      expect(answered).toBeGreaterThan(0);
    });
  });
}
