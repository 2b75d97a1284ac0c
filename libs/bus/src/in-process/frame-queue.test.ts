import { FRAME_PAYLOAD_BYTES_MAX } from '@gateway/protocol';
import { expect, test } from 'vitest';
import type { CallFrame } from '../calls/call-frames.ts';
import { FrameQueue } from './frame-queue.ts';

const data = (sequence: number, content: Uint8Array): CallFrame => ({
  ...{ type: 'data', attempt: 1, sequence, content },
});
const accepted: CallFrame = { type: 'accepted', attempt: 1, sequence: 0, content: 'w1' };
const text = (frames: readonly CallFrame[]) =>
  frames.map(({ sequence, content }) => `${sequence} ${content}`);

test('frames are taken once, in their order, as they are', () => {
  const queue = new FrameQueue();
  const bytes = Buffer.from('d');
  queue.add(accepted);
  queue.add(data(1, bytes));
  expect(queue.isEmpty).toBe(false);
  const frames = queue.take();
  expect(frames).toEqual([accepted, data(1, bytes)]);
  expect(frames[1]?.content).toBe(bytes);
  expect(queue.isEmpty).toBe(true);
  expect(queue.take()).toEqual([]);
});

test('data joins the data before it, and nothing else', () => {
  const queue = new FrameQueue();
  expect(queue.extend(Buffer.from('x'))).toBe(false);
  queue.add(accepted);
  expect(queue.extend(Buffer.from('x'))).toBe(false);
  queue.add(data(1, Buffer.from('a')));
  expect(queue.extend(Buffer.from('b'))).toBe(true);
  expect(queue.extend(Buffer.from('c'))).toBe(true);
  queue.add(data(2, Buffer.from('d')));
  expect(queue.extend(Buffer.from('e'))).toBe(true);
  expect(text(queue.take())).toEqual(['0 w1', '1 abc', '2 de']);
  expect(queue.extend(Buffer.from('x'))).toBe(false);
});

test('data grows to the largest payload and no byte further', () => {
  const queue = new FrameQueue();
  queue.add(data(1, new Uint8Array(FRAME_PAYLOAD_BYTES_MAX - 2)));
  expect(queue.extend(new Uint8Array(3))).toBe(false);
  expect(queue.extend(new Uint8Array(2))).toBe(true);
  expect(queue.extend(new Uint8Array(1))).toBe(false);
  const [frame] = queue.take();
  expect(frame?.content).toHaveLength(FRAME_PAYLOAD_BYTES_MAX);
});
