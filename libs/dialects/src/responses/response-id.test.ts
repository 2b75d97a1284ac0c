import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openResponseId, responseIdKey, sealResponseId } from './response-id.ts';

const key = responseIdKey('pepper', 'team-a');

describe('an id of a kept response', () => {
  test('opens for its tenant, whatever the provider calls the response', () => {
    const provider = fc.stringMatching(/^[a-z][a-z0-9-]{0,31}$/);
    fc.assert(
      fc.property(provider, fc.string({ minLength: 1, maxLength: 80 }), (name, text) => {
        const kept = { provider: name, id: Buffer.from(text).toString() };
        expect(openResponseId(key, sealResponseId(key, kept))).toEqual(kept);
      }),
    );
  });

  test('is a word that fits into an address', () => {
    const id = sealResponseId(key, { provider: 'openai', id: `resp_${'0a'.repeat(25)}` });
    expect(id).toMatch(/^resp_[\w-]+$/);
    expect(id.length).toBeLessThan(128);
  });

  test('opens neither for another tenant nor under another pepper', () => {
    const id = sealResponseId(key, { provider: 'openai', id: 'resp_1' });
    expect(openResponseId(responseIdKey('pepper', 'team-b'), id)).toBeUndefined();
    expect(openResponseId(responseIdKey('other', 'team-a'), id)).toBeUndefined();
  });

  test('does not open when a character of it is another', () => {
    const id = sealResponseId(key, { provider: 'openai', id: 'resp_1' });
    for (let at = 'resp_'.length; at < id.length - 1; at += 1) {
      const other = id[at] === 'A' ? 'B' : 'A';
      expect(openResponseId(key, id.slice(0, at) + other + id.slice(at + 1))).toBeUndefined();
    }
  });

  test.each(['', 'resp_', 'resp_1', 'msg_1', 'resp_ä', `resp_${'a'.repeat(600)}`])(
    'is not %j',
    (text) => {
      expect(openResponseId(key, text)).toBeUndefined();
    },
  );
});
