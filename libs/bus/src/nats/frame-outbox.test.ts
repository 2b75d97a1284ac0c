import { FRAME_PAYLOAD_BYTES_MAX, FRAMES_MESSAGE_BYTES_MAX, type Frame } from '@gateway/protocol';
import { expect, test } from 'vitest';
import { FrameOutbox } from './frame-outbox.ts';
import { TurnEnd } from './turn-end.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function opened({ bytesMax = Number.POSITIVE_INFINITY } = {}) {
  const turnEnd = new TurnEnd();
  const messages: string[][] = [];
  const outbox = new FrameOutbox(turnEnd, (frames) => {
    const bytes = frames.reduce((sum, { payload }) => sum + payload.length, 0);
    if (bytes > bytesMax) throw new RangeError('too large');
    messages.push(frames.map(({ type, payload }) => `${type} ${payload.length}`));
  });
  let sequence = 0;
  const send = (type: Frame['type'], bytes: number) => {
    outbox.send({ type, attempt: 1, sequence, payload: new Uint8Array(bytes) });
    sequence += 1;
  };
  return { turnEnd, outbox, messages, send };
}

test('accepted leaves at once, and what follows it in one turn is one message', async () => {
  const { outbox, messages, send } = opened();
  send('accepted', 1);
  expect(messages).toEqual([['accepted 1']]);
  send('head', 2);
  await Promise.resolve();
  send('data', 3);
  expect(outbox.extendData(new Uint8Array(4))).toBe(true);
  expect(messages).toHaveLength(1);
  send('end', 5);
  expect(messages.slice(1)).toEqual([['head 2', 'data 7', 'end 5']]);
  await turn();
  expect(messages).toHaveLength(2);
});

test('data that nothing follows leaves at the end of its turn', async () => {
  const { outbox, messages, send } = opened();
  send('data', 1);
  await turn();
  expect(messages).toEqual([['data 1']]);
  expect(outbox.extendData(new Uint8Array(1))).toBe(false);
  send('data', 2);
  await turn();
  expect(messages).toEqual([['data 1'], ['data 2']]);
});

test('what finds no room in a message is the first of the next', async () => {
  const { messages, send } = opened();
  const size = FRAMES_MESSAGE_BYTES_MAX / 2;
  expect(size).toBeLessThanOrEqual(FRAME_PAYLOAD_BYTES_MAX);
  send('data', size);
  send('data', size);
  expect(messages).toEqual([[`data ${size}`]]);
  await turn();
  expect(messages).toEqual([[`data ${size}`], [`data ${size}`]]);
});

test('a terminal frame that is too large throws, and takes nothing with it', () => {
  const { messages, send } = opened({ bytesMax: FRAMES_MESSAGE_BYTES_MAX });
  send('data', 1);
  expect(() => send('end', FRAMES_MESSAGE_BYTES_MAX + 1)).toThrow(RangeError);
  expect(messages).toEqual([['data 1']]);
  send('error', 2);
  expect(messages).toEqual([['data 1'], ['error 2']]);
});

test('all that waits leaves before the turn ends when it is asked to', () => {
  const { turnEnd, messages, send } = opened();
  send('head', 1);
  turnEnd.run();
  expect(messages).toEqual([['head 1']]);
});
