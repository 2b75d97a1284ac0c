import { describe, expect, test } from 'vitest';
import { copyRows, WRITTEN_AT_ONCE } from './copy-rows.ts';

describe('copyRows', () => {
  test.each([
    { count: WRITTEN_AT_ONCE, turns: 0 },
    { count: WRITTEN_AT_ONCE + 1, turns: 1 },
  ])('writes $count rows with $turns turns for others between', async ({ count, turns }) => {
    const rows = Array.from({ length: count }, (_, index) => index);
    let othersTurns = 0;
    const others = setImmediate(() => {
      othersTurns += 1;
    });
    const bytes = await copyRows(rows, (writer, number) => {
      writer.row(1);
      writer.integer(number);
    });
    clearImmediate(others);
    expect(othersTurns).toBe(turns);
    const rowBytes = 2 + 4 + 4;
    const headerBytes = 19;
    const written = rows.map((_, index) =>
      Buffer.from(bytes).readInt32BE(headerBytes + index * rowBytes + 6),
    );
    expect(written).toEqual(rows.map((_, index) => index));
    expect(bytes).toHaveLength(headerBytes + count * rowBytes + 2);
  });
});
