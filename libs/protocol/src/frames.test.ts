import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeFrame,
  encodeFrame,
  FRAME_PREFIX_BYTES,
  FRAME_TYPES,
  type FrameType,
} from './frames.ts';

const types = Object.keys(FRAME_TYPES) as FrameType[];

test('a frame survives encoding, whatever it holds', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...types),
      fc.integer({ min: 0, max: 0xffff }),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.uint8Array({ maxLength: 1024 }),
      (type, attempt, sequence, payload) => {
        const decoded = decodeFrame(encodeFrame({ type, attempt, sequence, payload }));
        expect(decoded).toMatchObject({ type, attempt, sequence });
        expect(Buffer.from(decoded?.payload ?? [])).toEqual(Buffer.from(payload));
      },
    ),
  );
});

test('what is shorter than the prefix is no frame', () => {
  const whole = encodeFrame({ type: 'data', attempt: 1, sequence: 2, payload: new Uint8Array() });
  expect(whole.length).toBe(FRAME_PREFIX_BYTES);
  expect(decodeFrame(whole)).toBeDefined();
  expect(decodeFrame(whole.subarray(0, FRAME_PREFIX_BYTES - 1))).toBeUndefined();
});

test('an unknown type is no frame', () => {
  const frame = Buffer.from(
    encodeFrame({ type: 'end', attempt: 1, sequence: 0, payload: new Uint8Array() }),
  );
  frame[0] = 200;
  expect(decodeFrame(frame)).toBeUndefined();
});
