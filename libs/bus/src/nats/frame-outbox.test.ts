import {
  decodeFrames,
  FRAME_PAYLOAD_BYTES_MAX,
  FRAMES_MESSAGE_BYTES_MAX,
  type Frame,
  MESSAGE_BYTES_MAX,
} from '@gateway/protocol';
import { expect, test } from 'vitest';
import { type FrameAddress, FrameOutboxes } from './frame-outbox.ts';
import { TurnEnd } from './turn-end.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function opened() {
  const turnEnd = new TurnEnd();
  const messages: {
    calls: Record<string, string[]>;
    caller: string;
    asking: string | undefined;
  }[] = [];
  const outboxes = new FrameOutboxes<FrameAddress>(turnEnd, ({ caller, payload, asking }) => {
    const calls = decodeFrames(payload).map(({ key, frames }) => [
      key,
      frames.map(({ type, payload: { length } }) => `${type} ${length}`),
    ]);
    messages.push({ calls: Object.fromEntries(calls), caller, asking: asking?.key });
  });
  const open = (key: string, caller = 'i1') => {
    const outbox = outboxes.open({ caller, key });
    let sequence = 0;
    const send = (type: Frame['type'], bytes: number) => {
      outbox.send({ type, attempt: 1, sequence, payload: new Uint8Array(bytes) });
      sequence += 1;
    };
    return { send, extendData: (bytes: number) => outbox.extendData(new Uint8Array(bytes)) };
  };
  const callsOf = () => messages.map(({ calls }) => calls);
  return { turnEnd, open, messages, callsOf };
}

test('what is said of one call in one turn is one message', async () => {
  const { open, callsOf } = opened();
  const { send, extendData } = open('a.1');
  send('accepted', 1);
  send('head', 2);
  await Promise.resolve();
  send('data', 3);
  expect(extendData(4)).toBe(true);
  send('end', 5);
  expect(callsOf()).toEqual([]);
  await turn();
  expect(callsOf()).toEqual([{ 'a.1': ['accepted 1', 'head 2', 'data 7', 'end 5'] }]);
  await turn();
  expect(callsOf()).toHaveLength(1);
});

test('what is said to one caller in one turn is one message, and to others another', async () => {
  const { open, messages } = opened();
  const [a, b, c] = [open('a.1'), open('b.1', 'i2'), open('c.2')];
  for (const { send } of [a, b, c]) send('accepted', 1);
  a.send('head', 2);
  await turn();
  expect(messages).toMatchObject([
    { caller: 'i1', calls: { 'a.1': ['accepted 1', 'head 2'], 'c.2': ['accepted 1'] } },
    { caller: 'i2', calls: { 'b.1': ['accepted 1'] } },
  ]);
});

test('data that was sent takes no more', async () => {
  const { open, callsOf } = opened();
  const { send, extendData } = open('a.1');
  send('data', 1);
  await turn();
  expect(extendData(1)).toBe(false);
  send('data', 2);
  await turn();
  expect(callsOf()).toEqual([{ 'a.1': ['data 1'] }, { 'a.1': ['data 2'] }]);
});

test('what finds no room in a message of its call is the first of the next', async () => {
  const { open, callsOf } = opened();
  const { send } = open('a.1');
  const size = FRAMES_MESSAGE_BYTES_MAX / 2;
  expect(size).toBeLessThanOrEqual(FRAME_PAYLOAD_BYTES_MAX);
  send('data', size);
  send('data', size);
  expect(callsOf()).toEqual([{ 'a.1': [`data ${size}`] }]);
  await turn();
  expect(callsOf()).toHaveLength(2);
});

test('a call that finds no room in a message begins another', async () => {
  const { open, callsOf } = opened();
  const size = FRAME_PAYLOAD_BYTES_MAX - 100;
  for (const key of ['a.1', 'b.1', 'c.1']) open(key).send('data', size);
  await turn();
  expect(callsOf()).toEqual([
    { 'a.1': [`data ${size}`], 'b.1': [`data ${size}`] },
    { 'c.1': [`data ${size}`] },
  ]);
});

test('a frame that no message can hold throws, and takes nothing with it', async () => {
  const { open, callsOf } = opened();
  const { send } = open('a.1');
  send('head', 1);
  expect(() => send('end', MESSAGE_BYTES_MAX + 1)).toThrow(
    expect.objectContaining({ code: 'internal' }),
  );
  send('error', 2);
  await turn();
  expect(callsOf()).toEqual([{ 'a.1': ['head 1', 'error 2'] }]);
});

test('the largest frame that a message can hold is sent', async () => {
  const { open, callsOf } = opened();
  open('a.1').send('end', MESSAGE_BYTES_MAX);
  await turn();
  expect(callsOf()).toEqual([{ 'a.1': [`end ${MESSAGE_BYTES_MAX}`] }]);
});

test('a message asks for its receiver in the name of a call that goes on', async () => {
  const { open, messages } = opened();
  const [a, b, c] = [open('a.1'), open('b.1'), open('c.1')];
  a.send('data', 1);
  await turn();
  for (let count = 0; count < 2; count += 1) a.send('data', FRAME_PAYLOAD_BYTES_MAX);
  b.send('end', 1);
  c.send('head', 1);
  await turn();
  expect(messages.map(({ asking }) => asking)).toEqual(['a.1', undefined, 'a.1']);
});

test('a call that goes on is told though another one asks', async () => {
  const { open, messages } = opened();
  const [a, b] = [open('a.1'), open('b.1')];
  for (let count = 0; count < 2; count += 1) {
    a.send('data', 1);
    await turn();
  }
  a.send('data', 1);
  b.send('end', 1);
  await turn();
  expect(messages.map(({ asking }) => asking)).toEqual(['a.1', undefined, 'a.1']);
});

test('all that waits leaves before the turn ends when it is asked to', () => {
  const { turnEnd, open, callsOf } = opened();
  open('a.1').send('head', 1);
  turnEnd.run();
  expect(callsOf()).toEqual([{ 'a.1': ['head 1'] }]);
});
