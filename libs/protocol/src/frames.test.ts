import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeFrames,
  encodeFrames,
  FRAME_PREFIX_BYTES,
  FRAME_TYPES,
  type Frame,
  type FrameType,
} from './frames.ts';

const types = Object.keys(FRAME_TYPES) as FrameType[];
const NO_BYTES = new Uint8Array();
const first: Frame = { type: 'head', attempt: 1, sequence: 1, payload: Buffer.from('head') };
const second: Frame = { type: 'end', attempt: 1, sequence: 2, payload: Buffer.from('end') };

test('frames survive encoding in their order, whatever they hold', () => {
  const anyFrame = fc.record({
    type: fc.constantFrom(...types),
    attempt: fc.integer({ min: 0, max: 0xffff }),
    sequence: fc.integer({ min: 0, max: 0xffffffff }),
    payload: fc.uint8Array({ maxLength: 256 }).map((bytes) => Buffer.from(bytes)),
  });
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 5 }), (frames) => {
      const decoded = decodeFrames(encodeFrames(frames));
      expect(decoded.map((frame) => ({ ...frame, payload: Buffer.from(frame.payload) }))).toEqual(
        frames,
      );
    }),
  );
});

test('what is shorter than the prefix is no frame', () => {
  const whole = encodeFrames([{ type: 'data', attempt: 1, sequence: 2, payload: NO_BYTES }]);
  expect(whole.length).toBe(FRAME_PREFIX_BYTES);
  expect(decodeFrames(whole)).toHaveLength(1);
  expect(decodeFrames(whole.subarray(0, FRAME_PREFIX_BYTES - 1))).toEqual([]);
  expect(decodeFrames(NO_BYTES)).toEqual([]);
});

test('a frame that is shorter than it says is none, and those before it are', () => {
  const message = encodeFrames([first, second]);
  expect(decodeFrames(message)).toMatchObject([{ sequence: 1 }, { sequence: 2 }]);
  expect(decodeFrames(message.subarray(0, -1))).toMatchObject([{ type: 'head', sequence: 1 }]);
});

test('an unknown type is no frame, nor is what follows it', () => {
  const message = Buffer.from(encodeFrames([first, second]));
  message[0] = 200;
  expect(decodeFrames(message)).toEqual([]);
});
