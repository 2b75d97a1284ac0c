import { test } from 'vitest';
import { deliveryOf, eventsOf } from '../tests/events.ts';
import { readDelivery } from './read-delivery.ts';
import { mergeStates, type RequestState } from './row.ts';
import { copyStatements, mergeStatements } from './row-statements.ts';

const { received, attempted, finished } = eventsOf();
const ofRequest = [received(), attempted(), finished()].map((event) => deliveryOf(event));
/** An upper-case id is one that the glance leaves to the schemas. */
const ofOthers = ofRequest.map(({ value }) => {
  const event = value as ReturnType<typeof received>;
  return deliveryOf({ ...event, requestId: event.requestId.toUpperCase() });
});

function stateOfAll(some: typeof ofRequest): RequestState {
  return some
    .map((delivery) => readDelivery(delivery))
    .flatMap((reading) => (reading.verdict === 'good' ? (reading.entry.state ?? []) : []))
    .reduce(mergeStates);
}

test('the three events of a request', async ({ bench }) => {
  const state = stateOfAll(ofRequest);
  await bench.compare(
    bench('read at a glance and merged', () => void stateOfAll(ofRequest)),
    bench('read by their schemas and merged', () => void stateOfAll(ofOthers)),
    bench('as rows to copy', async () => {
      await copyStatements({ states: [state], changes: [] });
    }),
    bench('as rows to merge', () => void mergeStatements({ states: [state], changes: [] })),
  );
});
