import { describe, expect, test } from 'vitest';
import { deliveryOf, eventsOf } from '../tests/events.ts';
import type { Entry } from './entry.ts';
import { READ_AT_ONCE, type ReadEvents, readBatch } from './read-batch.ts';

describe('readBatch', () => {
  test.each([
    { events: READ_AT_ONCE, turns: 0 },
    { events: READ_AT_ONCE + 1, turns: 1 },
  ])('reads $events events with $turns turns for others between', async ({ events, turns }) => {
    const batch = Array.from({ length: events }, () => deliveryOf(eventsOf().received()));
    let othersTurns = 0;
    const others = setImmediate(() => {
      othersTurns += 1;
    });
    const entries: Entry[] = [];
    for await (const read of readBatch(batch)) entries.push(...read.entries);
    clearImmediate(others);
    expect(othersTurns).toBe(turns);
    expect(entries.map(({ delivery }) => delivery)).toEqual(batch);
  });

  test('tells events that can be stored from those that never can, or that a newer writer can', async () => {
    const good = deliveryOf(eventsOf().received());
    const newer = deliveryOf({ ...eventsOf().received(), schema: 99 });
    const poison = deliveryOf({ ...eventsOf().received(), tenant: 7 });
    const read = (await readBatch([good, newer, poison]).next()).value as ReadEvents | undefined;
    expect(read?.entries.map(({ delivery }) => delivery)).toEqual([good]);
    expect(read?.newer).toEqual([newer]);
    expect(read?.poison).toEqual([
      { delivery: poison, reason: expect.stringContaining('against its schema: tenant') },
    ]);
  });
});
