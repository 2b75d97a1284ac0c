import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeFrames,
  encodeFrames,
  FRAME_PREFIX_BYTES,
  FRAME_TYPES,
  type Frame,
  type FrameType,
  frameBytes,
  sectionBytes,
} from './frames.ts';

const types = Object.keys(FRAME_TYPES) as FrameType[];
const NO_BYTES = new Uint8Array();
const first: Frame = { type: 'head', attempt: 1, sequence: 1, payload: Buffer.from('head') };
const second: Frame = { type: 'end', attempt: 1, sequence: 2, payload: Buffer.from('end') };

const key = '0199aa00-0000-7000-8000-000000000001.1';
const framesOf = (bytes: Uint8Array) => decodeFrames(bytes).flatMap(({ frames }) => frames);

test('frames survive encoding in their order, whatever they hold', () => {
  const anyFrame = fc.record({
    type: fc.constantFrom(...types),
    attempt: fc.integer({ min: 0, max: 0xffff }),
    sequence: fc.integer({ min: 0, max: 0xffffffff }),
    payload: fc.uint8Array({ maxLength: 256 }).map((bytes) => Buffer.from(bytes)),
  });
  const anyKey = fc.string({ unit: 'grapheme-ascii', maxLength: 255 });
  const anyCall = fc.record({ key: anyKey, frames: fc.array(anyFrame, { maxLength: 5 }) });
  fc.assert(
    fc.property(fc.array(anyCall, { maxLength: 4 }), (calls) => {
      const message = encodeFrames(calls);
      const size = calls.reduce((sum, call) => {
        return sum + sectionBytes(call.key, frameBytes(call.frames));
      }, 0);
      expect(message.length).toBe(size);
      const decoded = decodeFrames(message).map(({ key: of, frames }) => ({
        key: of,
        frames: frames.map((frame) => ({ ...frame, payload: Buffer.from(frame.payload) })),
      }));
      expect(decoded).toEqual(calls);
    }),
  );
});

test('what is shorter than the prefix is no frame', () => {
  const frame: Frame = { type: 'data', attempt: 1, sequence: 2, payload: NO_BYTES };
  const whole = encodeFrames([{ key, frames: [frame] }]);
  expect(whole.length).toBe(sectionBytes(key, FRAME_PREFIX_BYTES));
  expect(framesOf(whole)).toHaveLength(1);
  for (let length = 0; length < whole.length; length += 1) {
    expect(framesOf(whole.subarray(0, length))).toEqual([]);
  }
});

test('a frame that is shorter than it says is none, and those before it are', () => {
  const message = encodeFrames([{ key, frames: [first, second] }]);
  expect(framesOf(message)).toMatchObject([{ sequence: 1 }, { sequence: 2 }]);
  expect(framesOf(message.subarray(0, -1))).toMatchObject([{ type: 'head', sequence: 1 }]);
});

test('an unknown type is no frame, nor is what follows it in its call', () => {
  const calls = [
    { key, frames: [first, second] },
    { key: 'other', frames: [second] },
  ];
  const message = Buffer.from(encodeFrames(calls));
  message[sectionBytes(key, 0)] = 200;
  expect(decodeFrames(message)).toMatchObject([
    { key, frames: [] },
    { key: 'other', frames: [{ type: 'end', sequence: 2 }] },
  ]);
});
