import type { Bus } from '@gateway/bus';
import {
  type HeldSlots,
  newRequestId,
  RENEWAL_BATCH_MAX,
  type RenewSlots,
  releaseSlotsEndpoint,
  renewSlotsEndpoint,
} from '@gateway/protocol';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { RENEWAL_INTERVAL_MS, SlotKeeper } from './slot-keeper.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function startKeeper() {
  const released: HeldSlots[] = [];
  const renewed: RenewSlots[] = [];
  const send: Bus['send'] = (endpoint, { value }) => {
    const message: unknown = endpoint.message.parse(value);
    if (endpoint.subject === releaseSlotsEndpoint.subject) released.push(message as HeldSlots);
    if (endpoint.subject === renewSlotsEndpoint.subject) renewed.push(message as RenewSlots);
  };
  return { keeper: new SlotKeeper({ send }), released, renewed };
}

function slots(): HeldSlots {
  return { requestId: newRequestId(), scopes: ['key:one'] };
}

describe('SlotKeeper', () => {
  test('gives back once what a request holds, and nothing that it does not', () => {
    const { keeper, released } = startKeeper();
    const [held, refused] = [slots(), slots()];
    keeper.hold(held);
    keeper.hold(refused);
    keeper.forget(refused.requestId);
    for (const { requestId } of [held, held, refused, slots()]) keeper.release(requestId);
    expect(released).toEqual([held]);
  });

  test('renews what is held while it is held', () => {
    const { keeper, renewed } = startKeeper();
    const [first, second] = [slots(), slots()];
    keeper.hold(first);
    keeper.hold(second);
    vi.advanceTimersByTime(RENEWAL_INTERVAL_MS);
    keeper.release(first.requestId);
    vi.advanceTimersByTime(RENEWAL_INTERVAL_MS);
    keeper.release(second.requestId);
    vi.advanceTimersByTime(RENEWAL_INTERVAL_MS);
    expect(renewed).toEqual([{ held: [first, second] }, { held: [second] }]);
    keeper[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.for([
    [RENEWAL_BATCH_MAX, [RENEWAL_BATCH_MAX]],
    [RENEWAL_BATCH_MAX + 1, [RENEWAL_BATCH_MAX, 1]],
  ] as const)('renews %i requests in messages that the limiter takes', ([count, sizes]) => {
    const { keeper, renewed } = startKeeper();
    for (let held = 0; held < count; held += 1) keeper.hold(slots());
    vi.advanceTimersByTime(RENEWAL_INTERVAL_MS);
    expect(renewed.map(({ held }) => held.length)).toEqual(sizes);
  });
});
