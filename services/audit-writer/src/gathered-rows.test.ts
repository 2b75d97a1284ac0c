import { expect, test } from 'vitest';
import { eventsOf, stateIn } from '../tests/events.ts';
import { GatheredRows } from './gathered-rows.ts';
import { mergeStates } from './row.ts';

function wholeState() {
  const { received, attempted, finished } = eventsOf();
  return [received(), attempted(), finished()].map(stateIn).reduce(mergeStates);
}

test('a request that comes twice is copied once, and merged with its row', () => {
  const [once, twice] = [new GatheredRows(), new GatheredRows()];
  const state = wholeState();
  once.add(state);
  const copies = once.take();
  twice.add(state);
  twice.add(state);
  const statements = twice.take();
  expect(copies.length).toBeGreaterThan(0);
  expect(statements.slice(0, copies.length)).toEqual(copies);
  expect(statements.length).toBeGreaterThan(copies.length);
  expect(statements.slice(copies.length).some((one) => 'copyInto' in one)).toBe(false);
});

test('what was taken may be copied again', () => {
  const rows = new GatheredRows();
  const state = wholeState();
  rows.add(state);
  const first = rows.take();
  rows.add(state);
  expect(rows.take()).toEqual(first);
});
