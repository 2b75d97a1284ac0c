import { gatewayEvent } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventSets } from '../tests/event-sets.ts';
import { eventsOf, keyCreated } from '../tests/events.ts';
import { isRequestEvent } from './event-shape.ts';

/** Values at the edge of what a schema takes, and of every type. */
const odd = fc.constantFrom<unknown>(
  undefined,
  null,
  '',
  'text',
  'hit',
  'complete',
  'unknown',
  true,
  0,
  -0,
  1,
  -1,
  0.5,
  1e308,
  Number.POSITIVE_INFINITY,
  Number.NaN,
  Number.MAX_SAFE_INTEGER,
  Number.MAX_SAFE_INTEGER + 1,
  [],
  ['stop'],
  [1],
  {},
  { inputTokens: 1, outputTokens: 1 },
  '01a20ae5-923f-7f60-a8e6-df040b231a49',
  '01A20AE5-923F-7F60-A8E6-DF040B231A49',
  '01a20ae5-923f-9f60-a8e6-df040b231a49',
  '01a20ae5-923f-7f60-c8e6-df040b231a49',
  '01a20ae5-923f-7f60-a8e6-df040b231a49\n',
);

/** An event with some fields, also those of its usage, replaced, removed or added. */
const broken = eventSets.chain((events) => {
  const { received, attempted, finished } = eventsOf();
  const whole: readonly object[] = [...events, received(), attempted(), finished({ refusals: 1 })];
  return fc
    .tuple(
      fc.constantFrom(...whole),
      fc.array(fc.tuple(fc.nat(40), odd), { maxLength: 2 }),
      fc.option(fc.tuple(fc.constantFrom('inputTokens', 'reasoningTokens'), odd)),
    )
    .map(([event, changes, ofUsage]) => {
      const names = [...Object.keys(event), 'errorCode', 'savedUsage', 'refusals', 'other'];
      const copy: Record<string, unknown> = { ...event };
      for (const [index, value] of changes) copy[names[index % names.length] ?? ''] = value;
      if (ofUsage && typeof copy.usage === 'object') {
        copy.usage = { ...copy.usage, [ofUsage[0]]: ofUsage[1] };
      }
      return copy;
    });
});

describe('isRequestEvent', () => {
  test('takes nothing that the schema refuses or completes', () => {
    let taken = 0;
    fc.assert(
      fc.property(broken, (value) => {
        if (!isRequestEvent(value)) return;
        taken++;
        const known = gatewayEvent.parse(value);
        expect(value).toMatchObject(known);
      }),
      { numRuns: 5_000 },
    );
    expect(taken).toBeGreaterThan(500);
  });

  test('takes the events that are written', () => {
    fc.assert(
      fc.property(eventSets, (events) => {
        for (const event of events) expect(isRequestEvent(event)).toBe(true);
      }),
    );
  });

  test.each([undefined, null, 'text', 1, [], {}, keyCreated(eventsOf().requestId)])(
    'leaves %j to the schema',
    (value) => {
      expect(isRequestEvent(value)).toBe(false);
    },
  );
});
