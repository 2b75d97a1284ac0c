import { CACHED_BODY_BYTES_MAX, NO_USAGE } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { lookupHandler } from './lookup.ts';
import { MemoryResponseStore } from './memory-response-store.ts';
import { storeHandler, TTL_SECONDS_MAX } from './store.ts';

const entry = {
  contentType: 'text/event-stream',
  provider: 'openai',
  model: 'gpt',
  usage: NO_USAGE,
  storedAt: 1,
};
const address = { tenant: 'acme', key: '0f'.repeat(32) };

function handlers() {
  const clock = { nowMs: 0 };
  const store = new MemoryResponseStore({ nowMs: () => clock.nowMs });
  return { clock, keep: storeHandler(store), lookup: lookupHandler(store) };
}

describe('storeHandler', () => {
  test('keeps a body of the largest size and refuses one that is a byte larger', async () => {
    const { keep, lookup } = handlers();
    const value = { ...address, ttlSeconds: 60, entry };
    await keep({ value, body: new Uint8Array(CACHED_BODY_BYTES_MAX) });
    const tooLarge = keep({ value, body: new Uint8Array(CACHED_BODY_BYTES_MAX + 1) });
    await expect(tooLarge).rejects.toMatchObject({ code: 'request_too_large' });
    expect((await lookup({ value: address })).body).toHaveLength(CACHED_BODY_BYTES_MAX);
  });

  test('keeps an answer for the longest time at most', async () => {
    const { clock, keep, lookup } = handlers();
    await keep({ value: { ...address, ttlSeconds: TTL_SECONDS_MAX + 1, entry } });
    clock.nowMs = TTL_SECONDS_MAX * 1000 - 1;
    expect((await lookup({ value: address })).value).toEqual({ entry });
    clock.nowMs += 1;
    expect((await lookup({ value: address })).value).toEqual({});
  });
});

describe('lookupHandler', () => {
  test('answers with the entry and its bytes, or with neither', async () => {
    const { keep, lookup } = handlers();
    expect(await lookup({ value: address })).toEqual({ value: {} });
    await keep({ value: { ...address, ttlSeconds: 60, entry }, body: Buffer.from('data: 1\n\n') });
    const { value, body } = await lookup({ value: address });
    expect({ value, text: Buffer.from(body ?? []).toString() }).toEqual({
      value: { entry },
      text: 'data: 1\n\n',
    });
  });

  test('answers a tenant nothing of what another stored under the same hash', async () => {
    const { keep, lookup } = handlers();
    await keep({ value: { ...address, ttlSeconds: 60, entry }, body: Buffer.from('canary') });
    expect(await lookup({ value: { ...address, tenant: 'other' } })).toEqual({ value: {} });
  });
});
