import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventSets } from '../tests/event-sets.ts';
import { deliveryOf, eventsOf, stateIn } from '../tests/events.ts';
import { Entry } from './entry.ts';
import { stateOfAll } from './gathered-state.ts';
import { mergeStates, type RequestEvent } from './row.ts';

function expectMerged(events: readonly RequestEvent[]): void {
  const entries = events.map((event) => new Entry(deliveryOf(event), event));
  expect(stateOfAll(entries)).toEqual(events.map(stateIn).reduce(mergeStates));
}

describe('stateOfAll', () => {
  test('is what merging gives, whatever the events of a request are', () => {
    const shuffled = eventSets.chain((events) =>
      fc.shuffledSubarray([...events, ...events], { minLength: 1 }),
    );
    fc.assert(fc.property(shuffled, expectMerged), { numRuns: 1_000 });
  });

  test('is so where each event is here once, in any order', () => {
    const { received, attempted, finished } = eventsOf();
    const events = [
      received(),
      attempted({ attempt: 1, errorCode: 'provider_error' }),
      attempted({ attempt: 2 }),
      finished({ attempts: 2 }),
    ];
    const orders = fc.shuffledSubarray(events, { minLength: events.length });
    fc.assert(fc.property(orders, expectMerged));
  });

  test('is so where the end is assumed, or the attempts of one number are two', () => {
    const { received, attempted, finished } = eventsOf();
    expectMerged([received(), attempted(), finished({ assumed: true })]);
    expectMerged([finished(), attempted(), attempted({ assumed: true }), received()]);
    expectMerged([finished(), finished({ status: 500 })]);
    expectMerged([received(), received({ deadlineAt: 1 }), finished()]);
  });
});
