import { expect, test } from 'vitest';
import {
  CONCURRENCY_MAX,
  KEY_SCHEMA,
  KEY_TEXT_LENGTH_MAX,
  KEY_TEXT_LENGTH_MIN,
  keyRecord,
  keyTextIsPlausible,
  newKey,
} from './keys.ts';

test('a new key is plausible and says its id', () => {
  const { id, text } = newKey();
  expect(text.startsWith(`gw_${id}_`)).toBe(true);
  expect(keyTextIsPlausible(text)).toBe(true);
  expect(keyRecord.shape.id.safeParse(id).success).toBe(true);
});

test('no two keys are alike', () => {
  const texts = new Set(Array.from({ length: 1000 }, () => newKey().text));
  expect(texts.size).toBe(1000);
});

test('a record may say how many requests run at once, and one without it is read as before', () => {
  const record = {
    schema: KEY_SCHEMA,
    id: 'abc',
    tenant: 'acme',
    name: 'shop',
    role: 'client',
    digest: '0'.repeat(64),
    createdAt: '2026-01-01T00:00:00.000Z',
  };
  expect(keyRecord.parse(record)).toEqual(record);
  const isValid = (concurrency: number) => keyRecord.safeParse({ ...record, concurrency }).success;
  expect([0, 1, CONCURRENCY_MAX, CONCURRENCY_MAX + 1].map(isValid)).toEqual([
    false,
    true,
    true,
    false,
  ]);
});

test('a typing error in any character is seen', () => {
  const { text } = newKey();
  for (let index = 'gw_'.length; index < text.length; index += 1) {
    const other = text[index] === 'a' ? 'b' : 'a';
    const wrong = text.slice(0, index) + other + text.slice(index + 1);
    // A wrong character in the id may make it a text that is not of our form, which any text may be.
    if (/^gw_[a-z2-7]{12}_/.test(wrong))
      expect([index, keyTextIsPlausible(wrong)]).toEqual([index, false]);
  }
});

test('a text of another form is plausible from 16 to 512 characters', () => {
  expect(keyTextIsPlausible('x'.repeat(KEY_TEXT_LENGTH_MIN - 1))).toBe(false);
  expect(keyTextIsPlausible('x'.repeat(KEY_TEXT_LENGTH_MIN))).toBe(true);
  expect(keyTextIsPlausible('x'.repeat(KEY_TEXT_LENGTH_MAX))).toBe(true);
  expect(keyTextIsPlausible('x'.repeat(KEY_TEXT_LENGTH_MAX + 1))).toBe(false);
});
