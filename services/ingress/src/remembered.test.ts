import { expect, test } from 'vitest';
import { Remembered } from './remembered.ts';

test('knows as many values as it may, and forgets them for one more', () => {
  const remembered = new Remembered<number>(2);
  remembered.set('a', 1);
  remembered.set('b', 2);
  remembered.set('b', 3);
  expect([remembered.get('a'), remembered.get('b')]).toEqual([1, 3]);
  remembered.set('c', 4);
  expect([remembered.get('a'), remembered.get('b'), remembered.get('c')]).toEqual([
    undefined,
    undefined,
    4,
  ]);
});

test('forgets when it is told to', () => {
  const remembered = new Remembered<number>(2);
  remembered.set('a', 1);
  remembered.forget();
  expect(remembered.get('a')).toBeUndefined();
});
