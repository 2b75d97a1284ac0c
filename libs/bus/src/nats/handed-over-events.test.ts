import { newRequestId } from '@gateway/protocol';
import { expect, test } from 'vitest';
import { attempted } from '../../tests/contract/sample-messages.ts';
import { ManualClock } from '../../tests/manual-clock.ts';
import { HANDED_OVER_MAX, HANDED_OVER_MS, HandedOverEvents } from './handed-over-events.ts';

function handedOver() {
  return { event: attempted(newRequestId()), caller: 'ingress', sequence: 3 };
}

test('are given back once, for as long as a link may be dead unnoticed', () => {
  const clock = new ManualClock();
  const events = new HandedOverEvents(clock);
  const [early, late] = [handedOver(), handedOver()];
  events.add(early);
  clock.advance(1);
  events.add(late);
  clock.advance(HANDED_OVER_MS - 1);
  expect(events.takeAll()).toEqual([late]);
  expect(events.takeAll()).toEqual([]);
});

test('are at most so many, the newest', () => {
  const events = new HandedOverEvents(new ManualClock());
  const all = Array.from({ length: HANDED_OVER_MAX + 1 }, handedOver);
  for (const event of all) events.add(event);
  expect(events.takeAll()).toEqual(all.slice(1));
});
