import { NO_USAGE } from '@gateway/protocol';
import { test } from 'vitest';
import { MemoryResponseStore } from './memory-response-store.ts';

const entry = {
  contentType: 'application/json',
  provider: 'openai',
  model: 'gpt-4o-mini',
  usage: NO_USAGE,
  storedAt: 1_700_000_000_000,
};
const response = { entry, body: Buffer.alloc(700, 'a') };

function filled(): MemoryResponseStore {
  const store = new MemoryResponseStore({ storedBytesMax: 16 * 1024 * 1024 });
  for (let count = 0; count < 20_000; count += 1) void store.set(addressOf(count), response, 60);
  return store;
}

function addressOf(count: number) {
  return { tenant: 'default', key: count.toString(16).padStart(64, '0') };
}

test('the response store in memory', async ({ bench }) => {
  const [missing, storing, hitting] = Array.from({ length: 3 }, filled);
  let count = 100_000;
  const next = () => {
    count += 1;
    return addressOf(count);
  };
  await bench.compare(
    bench('looks up in vain', async () => {
      await missing?.get(next());
    }),
    bench('stores an answer where another has to go', async () => {
      await storing?.set(next(), response, 60);
    }),
    bench('finds an answer', async () => {
      await hitting?.get(addressOf(19_999));
    }),
  );
});
