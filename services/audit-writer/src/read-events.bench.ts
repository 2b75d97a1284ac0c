import { test } from 'vitest';
import { deliveryOf, eventsOf } from '../tests/events.ts';
import { GatheredRows } from './gathered-rows.ts';
import { stateOfAll } from './gathered-state.ts';
import { readDelivery } from './read-delivery.ts';
import type { RequestState } from './row.ts';
import { mergeStatements } from './row-statements.ts';

const { received, attempted, finished } = eventsOf();
const ofRequest = [received(), attempted(), finished()].map((event) => deliveryOf(event));
const repeated = [...ofRequest, ...ofRequest];
/** An upper-case id is one that the glance leaves to the schemas. */
const ofOthers = ofRequest.map(({ value }) => {
  const event = value as ReturnType<typeof received>;
  return deliveryOf({ ...event, requestId: event.requestId.toUpperCase() });
});

function stateIn(some: typeof ofRequest): RequestState {
  const readings = some.map((delivery) => readDelivery(delivery));
  return stateOfAll(readings.flatMap((reading) => ('entry' in reading ? reading.entry : [])));
}

test('the three events of a request', async ({ bench }) => {
  const state = stateIn(ofRequest);
  const rows = new GatheredRows();
  await bench.compare(
    bench('read at a glance', () => void stateIn(ofRequest)),
    bench('read at a glance twice and merged', () => void stateIn(repeated)),
    bench('read by their schemas', () => void stateIn(ofOthers)),
    bench('as rows to copy', () => {
      rows.add(state);
      rows.take();
    }),
    bench('as rows to merge', () => void mergeStatements({ states: [state], changes: [] })),
  );
});
