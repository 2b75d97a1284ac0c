/** Arbitrary sets of events of one request, made so that events for the same columns are common. */
import { NO_USAGE } from '@gateway/protocol';
import fc from 'fast-check';
import { REFUSALS_MAX } from '../src/event-columns.ts';
import type { RequestEvent } from '../src/row.ts';
import { eventsOf } from './events.ts';

const text = fc
  .string({ unit: 'binary', maxLength: 12 })
  .map((value) => value.replaceAll('\0', ''));
const tokens = fc.oneof(fc.nat(5_000), fc.nat(1e12));
const usage = fc
  .record({ inputTokens: tokens, outputTokens: tokens, reasoningTokens: tokens })
  .map((some) => ({ ...NO_USAGE, ...some }));
const few = { minLength: 0, maxLength: 3 };

const received = fc.record(
  { userAgent: text, deadlineAt: fc.nat(1e13), keyId: text },
  { requiredKeys: ['deadlineAt'] },
);
const attempted = fc.record(
  {
    attempt: fc.integer({ min: 1, max: 2 }),
    assumed: fc.boolean(),
    usage,
    usageSource: fc.constantFrom('provider', 'estimated', 'none', 'unknown'),
    // The empty one stands for a call that nobody may have made.
    provider: fc.constantFrom('openai', 'anthropic', 'demo', ''),
    model: fc.constantFrom('gpt-4o-mini', 'claude-sonnet-4-20250514', 'demo'),
    errorCode: text,
    finishReasons: fc.array(text, { maxLength: 3 }),
    upstreamStatus: fc.integer({ min: 200, max: 599 }),
    latencyMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
    at: fc.nat(1e13),
  },
  { requiredKeys: ['attempt', 'assumed'] },
);
const finished = fc.record(
  {
    assumed: fc.boolean(),
    status: fc.integer({ min: 200, max: 599 }),
    usage,
    savedUsage: usage,
    attempts: fc.nat(3),
    cacheOutcome: fc.constantFrom('hit', 'miss', 'bypass'),
    model: text,
    tenant: text,
    latencyMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
    responseBytes: fc.maxSafeNat(),
    refusals: fc.integer({ min: 1, max: REFUSALS_MAX }),
  },
  { requiredKeys: ['assumed'] },
);

/** One to nine events of a new request. */
export const eventSets: fc.Arbitrary<readonly RequestEvent[]> = fc
  .tuple(fc.array(received, few), fc.array(attempted, few), fc.array(finished, few))
  .map(([receivedChanges, attemptedChanges, finishedChanges]) => {
    const events = eventsOf();
    return [
      ...receivedChanges.map((change) => events.received(change)),
      ...attemptedChanges.map((change) => events.attempted(change)),
      ...finishedChanges.map((change) => events.finished(change)),
    ];
  })
  .filter((events) => events.length > 0);

export interface Writing {
  readonly events: readonly RequestEvent[];
  /** The same events in any order, each at least once, cut into batches. */
  readonly batches: readonly (readonly RequestEvent[])[];
}

export function writings(events: readonly RequestEvent[]): fc.Arbitrary<Writing> {
  return fc
    .tuple(
      fc.shuffledSubarray([...events, ...events], { minLength: events.length }),
      fc.shuffledSubarray([...events], { minLength: events.length, maxLength: events.length }),
      fc.integer({ min: 1, max: 4 }),
    )
    .map(([some, all, batchLength]) => {
      const written = [...some, ...all];
      const batches = [];
      for (let start = 0; start < written.length; start += batchLength) {
        batches.push(written.slice(start, start + batchLength));
      }
      return { events, batches };
    });
}
