import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keyDigestUnder, TEXT_BYTES_IN_PLACE_MAX } from './key-digest.ts';

const hmac = (pepper: string, text: string) =>
  createHmac('sha256', pepper).update(text, 'utf8').digest('hex');

const anyText = fc.string({ unit: 'binary', maxLength: 200 });

test('is the HMAC-SHA256 of any text under any pepper, however often it is asked', () => {
  fc.assert(
    fc.property(anyText, fc.array(anyText, { minLength: 1 }), (pepper, texts) => {
      const digest = keyDigestUnder(pepper);
      for (const text of texts) expect(digest(text)).toBe(hmac(pepper, text));
    }),
  );
});

test.each([63, 64, 65, 128])('takes a pepper of %i bytes', (bytes) => {
  const pepper = 'p'.repeat(bytes);
  expect(keyDigestUnder(pepper)('a text')).toBe(hmac(pepper, 'a text'));
});

test.each([
  ['as long as the room in place', TEXT_BYTES_IN_PLACE_MAX],
  ['a byte longer', TEXT_BYTES_IN_PLACE_MAX + 1],
])('takes a text %s, and a short one after it', (_name, bytes) => {
  const digest = keyDigestUnder('pepper');
  for (const text of ['t'.repeat(bytes), 'short']) {
    expect(digest(text)).toBe(hmac('pepper', text));
  }
});

test('tells texts apart whose lone surrogates UTF-8 replaces, as the HMAC does', () => {
  const digest = keyDigestUnder('pepper');
  expect(digest('\ud800')).toBe(hmac('pepper', '\ud800'));
});

test('depends on every character of the text and on the pepper', () => {
  const digest = keyDigestUnder('pepper')('the same prefix, a');
  expect(digest).not.toBe(keyDigestUnder('pepper')('the same prefix, b'));
  expect(digest).not.toBe(keyDigestUnder('another')('the same prefix, a'));
  expect(digest).toMatch(/^[0-9a-f]{64}$/);
});
