import { expect, test } from 'vitest';
import { MESSAGES_REMEMBERED_MAX, SettledEvents } from './settled-events.ts';

test('are given back once, for the messages remembered last', () => {
  const settled = new SettledEvents();
  for (let number = 0; number <= MESSAGES_REMEMBERED_MAX; number += 1) {
    settled.remember(`${number}`, new Set([number]));
  }
  expect(settled.take('0')).toEqual(new Set());
  expect(settled.take('1')).toEqual(new Set([1]));
  expect(settled.take('1')).toEqual(new Set());
});
