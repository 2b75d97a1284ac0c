import { describe, expect, test } from 'vitest';
import { RELEASE_MEMORY_MS } from './limit-store.ts';
import { Slots } from './slots.ts';

const LEASE_MS = 30_000;
const START_MS = 1_760_000_000_000;

function openSlots({ amount = 3, membersMax = 10 } = {}) {
  const slots = new Slots(LEASE_MS, membersMax);
  const free = (nowMs: number) => slots.state('other', amount, nowMs).remaining;
  return { slots, free };
}

describe('Slots', () => {
  test('hold a slot for its lease and not a millisecond longer', () => {
    const { slots, free } = openSlots();
    slots.take('a', START_MS);
    expect(free(START_MS + LEASE_MS - 1)).toBe(2);
    expect(free(START_MS + LEASE_MS)).toBe(3);
    expect(slots.freeAtMs).toBe(START_MS + LEASE_MS);
  });

  test('count a lease from its last renewal, in whatever order they come', () => {
    const { slots, free } = openSlots();
    for (const id of ['a', 'b']) slots.take(id, START_MS);
    slots.renew('a', START_MS + 10_000);
    expect(free(START_MS + LEASE_MS)).toBe(2);
    slots.renew('b', START_MS + LEASE_MS + 1);
    expect(free(START_MS + LEASE_MS + 1)).toBe(1);
  });

  test('forget a release after its time', () => {
    const { slots, free } = openSlots();
    slots.release('a', START_MS);
    slots.renew('a', START_MS + RELEASE_MEMORY_MS - 1);
    expect(free(START_MS + RELEASE_MEMORY_MS - 1)).toBe(3);
    slots.renew('a', START_MS + RELEASE_MEMORY_MS);
    expect(free(START_MS + RELEASE_MEMORY_MS)).toBe(2);
  });

  test('remember as many members as the bound and not one more', () => {
    const { slots, free } = openSlots({ membersMax: 2 });
    slots.release('a', START_MS);
    for (const id of ['b', 'c']) slots.renew(id, START_MS);
    expect(free(START_MS)).toBe(2);
    slots.renew('b', START_MS + 1);
    slots.release('c', START_MS + 1);
    slots.renew('c', START_MS + RELEASE_MEMORY_MS);
    expect(free(START_MS + RELEASE_MEMORY_MS)).toBe(1);
    expect(free(START_MS + LEASE_MS)).toBe(1);
  });
});
