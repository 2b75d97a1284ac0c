import { describe, expect, test } from 'vitest';
import { deliveryOf, eventsOf, keyCreated } from '../tests/events.ts';
import type { Entry } from './entry.ts';
import { readDelivery } from './read-delivery.ts';
import { HELD_MAX, UnfinishedRequests } from './unfinished-requests.ts';

const HOLD_MS = 100;

function entryOf(event: unknown): Entry {
  const reading = readDelivery(deliveryOf(event));
  if (reading.verdict !== 'good') throw new Error('expected a good event');
  return reading.entry;
}

const kindsOf = (entries: readonly Entry[]) => entries.map(({ event }) => event.kind);

describe('UnfinishedRequests', () => {
  test('holds events until the end of their request comes', () => {
    const { received, attempted, finished } = eventsOf();
    const unfinished = new UnfinishedRequests(HOLD_MS);
    expect(unfinished.take([entryOf(received())], 0)).toEqual([]);
    expect(unfinished.take([entryOf(attempted())], 10)).toEqual([]);
    const due = unfinished.take([entryOf(finished())], 20);
    expect(kindsOf(due)).toEqual(['received', 'attempted', 'finished']);
    expect(unfinished.isEmpty).toBe(true);
  });

  test('lets an end go at once, also an assumed one, and what is of no request', () => {
    const unfinished = new UnfinishedRequests(HOLD_MS);
    const entries = [
      entryOf(eventsOf().finished()),
      entryOf(eventsOf().finished({ assumed: true })),
      entryOf(keyCreated(eventsOf().requestId)),
    ];
    expect(unfinished.take(entries, 0)).toEqual(entries);
  });

  test('lets an event go when its time is up, and not before', () => {
    const unfinished = new UnfinishedRequests(HOLD_MS);
    const [first, second] = [entryOf(eventsOf().received()), entryOf(eventsOf().received())];
    unfinished.take([first], 0);
    unfinished.take([second], 1);
    expect(unfinished.take([], HOLD_MS - 1)).toEqual([]);
    expect(unfinished.take([], HOLD_MS)).toEqual([first]);
    expect(unfinished.takeAll()).toEqual([second]);
    expect(unfinished.isEmpty).toBe(true);
  });

  test('lets the oldest go for one event more than it holds', () => {
    const unfinished = new UnfinishedRequests(HOLD_MS);
    const entries = Array.from({ length: HELD_MAX }, () => entryOf(eventsOf().received()));
    expect(unfinished.take(entries, 0)).toEqual([]);
    expect(unfinished.take([entryOf(eventsOf().received())], 1)).toEqual([entries[0]]);
  });

  test('holds nothing for no time', () => {
    const unfinished = new UnfinishedRequests(0);
    const entries = [entryOf(eventsOf().received())];
    expect(unfinished.take(entries, 5)).toEqual(entries);
  });
});
