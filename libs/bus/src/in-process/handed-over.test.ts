import { MESSAGE_BYTES_MAX } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { freezePlain, requireSize } from './handed-over.ts';

describe('freezePlain', () => {
  test('freezes plain data in depth, whatever of it is undefined', () => {
    const value = { list: [{ text: 'a', absent: undefined }], none: null, number: -0.5, is: true };
    freezePlain(value);
    expect(Object.isFrozen(value)).toBe(true);
    expect(Object.isFrozen(value.list)).toBe(true);
    expect(Object.isFrozen(value.list[0])).toBe(true);
  });

  test.each([
    { name: 'a date', value: { at: new Date(0) } },
    { name: 'bytes', value: { bytes: new Uint8Array(1) } },
    { name: 'a map', value: [new Map()] },
    { name: 'a function', value: { run: () => {} } },
    { name: 'a large integer', value: { count: 1n } },
    { name: 'no number', value: { count: Number.NaN } },
    { name: 'an infinite number', value: { count: Number.POSITIVE_INFINITY } },
    { name: 'a hole', value: [undefined] },
    { name: 'nothing at all', value: undefined },
  ])('throws for $name', ({ value }) => {
    expect(() => freezePlain(value)).toThrow(TypeError);
  });
});

test('a message may be as large as on a wire and no byte larger', () => {
  const value = { text: 'é' };
  const room = MESSAGE_BYTES_MAX - Buffer.byteLength(JSON.stringify(value));
  requireSize({ value, body: new Uint8Array(room) });
  expect(() => requireSize({ value, body: new Uint8Array(room + 1) })).toThrow(
    'failed to handle this request',
  );
});
