import type { Limit } from '@gateway/protocol';
import { test } from 'vitest';
import { MemoryLimitStore } from './memory-limit-store.ts';

const HOUR_SECONDS = 3_600;
const scope = 'key:bench';
const window: Limit = {
  scope,
  kind: 'requests',
  amount: 1_000_000_000,
  windowSeconds: HOUR_SECONDS,
};
const usedUp: Limit = { ...window, scope: 'key:used-up', amount: 1 };
const slots: Limit = { scope, kind: 'concurrency', amount: 100 };

test('a decision of the limiter in memory', async ({ bench }) => {
  // Each its own: what one remembers is not paid for by the next.
  const [windows, held, refusing] = Array.from({ length: 3 }, () => new MemoryLimitStore());
  await refusing?.reserve({ requestId: 'first', limits: [usedUp] });
  let requests = 0;
  const nextId = () => {
    requests += 1;
    return `request-${requests}`;
  };
  await bench.compare(
    bench('admitted by a window', async () => {
      await windows?.reserve({ requestId: nextId(), limits: [window] });
    }),
    bench('admitted by a window and a slot, and released', async () => {
      const requestId = nextId();
      await held?.reserve({ requestId, limits: [window, slots] });
      await held?.release({ requestId, scopes: [scope] });
    }),
    bench('refused by a window', async () => {
      await refusing?.reserve({ requestId: nextId(), limits: [usedUp] });
    }),
  );
});
