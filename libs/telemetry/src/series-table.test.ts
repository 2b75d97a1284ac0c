import { describe, expect, test } from 'vitest';
import { OVERFLOW_ATTRIBUTES, SERIES_MAX, SeriesTable } from './series-table.ts';

const newTable = () => new SeriesTable((attributes) => ({ attributes }));

describe('SeriesTable', () => {
  test('gives the same series for the same attributes in any order', () => {
    const table = newTable();
    const first = table.of({ route: '/', status: 200 });
    expect(table.of({ status: 200, route: '/' })).toBe(first);
    expect(table.of({ status: 200, route: '/' })).toBe(first);
    expect(table.all).toEqual([{ attributes: { route: '/', status: 200 } }]);
  });

  test('leaves out attributes without a value', () => {
    const table = newTable();
    const plain = table.of({ route: '/' });
    expect(table.of({ route: '/', error: undefined })).toBe(plain);
    expect(table.of({ error: undefined, status: 1 })).toEqual({ attributes: { status: 1 } });
  });

  test('tells values and names apart', () => {
    const table = newTable();
    const all = [{}, { a: '' }, { a: 'b' }, { ab: '' }, { a: 'b', c: 'd' }].map((each) =>
      table.of(each),
    );
    expect(new Set(all).size).toBe(all.length);
  });

  test('keeps as many as the bound, and one for all past it', () => {
    const table = newTable();
    for (let id = 0; id < SERIES_MAX; id += 1) table.of({ id });
    expect(table.all).toHaveLength(SERIES_MAX);
    const beyond = table.of({ id: SERIES_MAX });
    expect(beyond).toEqual({ attributes: OVERFLOW_ATTRIBUTES });
    expect(table.of({ id: SERIES_MAX + 1 })).toBe(beyond);
    expect(table.of({ id: 0 })).toEqual({ attributes: { id: 0 } });
    expect(table.all).toHaveLength(SERIES_MAX + 1);
  });
});
