import { expect, test } from 'vitest';
import { messageId } from './message-id.ts';

test.each([
  ['msg_01', 'msg_01'],
  ['chatcmpl-demo-1', 'msg_demo-1'],
  ['of-google', 'msg_of-google'],
])('the id %s is %s in a message', (id, expected) => {
  expect(messageId(id)).toBe(expected);
});
