import {
  FRAME_PAYLOAD_BYTES_MAX,
  FRAME_PREFIX_BYTES,
  FRAMES_MESSAGE_BYTES_MAX,
  type Frame,
  frameBytes,
} from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { FrameBatch } from './frame-batch.ts';

const frame = (type: Frame['type'], sequence: number, payload: string | number): Frame => ({
  ...{ type, sequence, attempt: 1 },
  payload: typeof payload === 'string' ? Buffer.from(payload) : Buffer.alloc(payload),
});
const text = (frames: readonly Frame[]) =>
  frames.map(({ type, payload }) => `${type} ${Buffer.from(payload)}`);

test('frames are taken once, in their order', () => {
  const batch = new FrameBatch();
  batch.add(frame('head', 1, 'h'));
  batch.add(frame('data', 2, 'd'));
  expect(batch.isEmpty).toBe(false);
  expect(text(batch.take())).toEqual(['head h', 'data d']);
  expect(batch.isEmpty).toBe(true);
  expect(batch.take()).toEqual([]);
});

describe('data', () => {
  test('joins the data before it, and nothing else', () => {
    const batch = new FrameBatch();
    expect(batch.extend(Buffer.from('x'))).toBe(false);
    batch.add(frame('head', 1, 'h'));
    expect(batch.extend(Buffer.from('x'))).toBe(false);
    batch.add(frame('data', 2, 'a'));
    expect(batch.extend(Buffer.from('b'))).toBe(true);
    expect(batch.extend(Buffer.from('c'))).toBe(true);
    batch.add(frame('end', 3, 'e'));
    expect(batch.extend(Buffer.from('x'))).toBe(false);
    expect(text(batch.take())).toEqual(['head h', 'data abc', 'end e']);
    expect(batch.extend(Buffer.from('x'))).toBe(false);
  });

  test('grows to the largest payload and no byte further', () => {
    const batch = new FrameBatch();
    batch.add(frame('data', 1, FRAME_PAYLOAD_BYTES_MAX - 2));
    expect(batch.extend(Buffer.alloc(3))).toBe(false);
    expect(batch.extend(Buffer.alloc(2))).toBe(true);
    expect(batch.extend(Buffer.alloc(1))).toBe(false);
    expect(batch.take()[0]?.payload.length).toBe(FRAME_PAYLOAD_BYTES_MAX);
  });
});

describe('a message', () => {
  /** A batch that lacks so many bytes to be full. */
  const lacking = (bytes: number) => {
    const batch = new FrameBatch();
    const others = FRAMES_MESSAGE_BYTES_MAX - FRAME_PAYLOAD_BYTES_MAX - 2 * FRAME_PREFIX_BYTES;
    batch.add(frame('head', 1, others - bytes));
    batch.add(frame('data', 2, FRAME_PAYLOAD_BYTES_MAX));
    return batch;
  };

  test('is full to the last byte and not past it', () => {
    const lacksFour = () => lacking(FRAME_PREFIX_BYTES + 4);
    expect(lacksFour().fits(5)).toBe(false);
    const batch = lacksFour();
    expect(batch.fits(4)).toBe(true);
    batch.add(frame('end', 3, 4));
    expect(frameBytes(batch.take())).toBe(FRAMES_MESSAGE_BYTES_MAX);
  });

  test('that is full takes no more data', () => {
    const withRoomFor = (bytes: number) => {
      const batch = lacking(FRAME_PREFIX_BYTES + 1 + bytes);
      batch.add(frame('data', 3, 1));
      return batch;
    };
    expect(withRoomFor(4).extend(Buffer.alloc(4))).toBe(true);
    expect(withRoomFor(4).extend(Buffer.alloc(5))).toBe(false);
  });

  test('of one frame may be of any size', () => {
    expect(new FrameBatch().fits(2 * FRAMES_MESSAGE_BYTES_MAX)).toBe(true);
  });
});
