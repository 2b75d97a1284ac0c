import { describe, expect, test } from 'vitest';
import { eventsOf, stateIn } from '../tests/events.ts';
import { CopyRows, type EndedState } from './copy-rows.ts';
import { mergeStates } from './row.ts';

const HEADER_BYTES = 19;
const TRAILER = Buffer.of(0xff, 0xff);

function stateOf({ received, attempted, finished }: ReturnType<typeof eventsOf>): EndedState {
  const state = [received(), attempted(), finished()].map(stateIn).reduce(mergeStates);
  if (state.finished === null) throw new Error('expected an end');
  return { ...state, finished: state.finished };
}

/** In the order of their ids, which two of one millisecond are not made in. */
const states = Array.from({ length: 3 }, () => stateOf(eventsOf())).sort((one, other) =>
  one.requestId < other.requestId ? -1 : 1,
);

function bytesOf(...some: readonly EndedState[]): readonly Buffer[] {
  const rows = new CopyRows();
  for (const state of some) rows.add(state);
  return rows.take().map(({ bytes }) => Buffer.from(bytes));
}

describe('CopyRows', () => {
  test('are in the order of their requests, whatever order they were added in', () => {
    expect(bytesOf(...states.toReversed())).toEqual(bytesOf(...states));
  });

  test('are framed as a file of rows, one after the other', () => {
    const files = bytesOf(...states);
    const alone = states.map((state) => bytesOf(state));
    for (const [index, file] of files.entries()) {
      const rows = alone.map((some) => some[index]?.subarray(HEADER_BYTES, -TRAILER.length));
      const rowBytes = rows.flatMap((row) => row ?? []);
      const header = file.subarray(0, HEADER_BYTES);
      expect(header.toString('latin1')).toMatch(/^PGCOPY\n\xff\r\n\0{9}$/);
      expect(file).toEqual(Buffer.concat([header, ...rowBytes, TRAILER]));
    }
    expect(files).toHaveLength(2);
  });

  test('are taken once', () => {
    const rows = new CopyRows();
    for (const state of states) rows.add(state);
    rows.take();
    expect(rows.take()).toEqual([]);
    const [first] = states;
    if (first === undefined) throw new Error('expected a state');
    rows.add(first);
    expect(rows.take().map(({ bytes }) => Buffer.from(bytes))).toEqual(bytesOf(first));
  });
});
