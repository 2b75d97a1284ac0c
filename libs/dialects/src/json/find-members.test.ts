import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findMembers, memberText } from './find-members.ts';
import { scanJsonObject } from './scan-json.ts';

const encode = (text: string) => new TextEncoder().encode(text);

describe('findMembers', () => {
  test('finds every member where the scanner that checks them found it', () => {
    const spaces = fc.constantFrom('', ' ', '\n\t');
    const object = fc.dictionary(fc.string({ maxLength: 5 }), fc.jsonValue(), {
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(object, spaces, fc.nat(2), (value, space, indent) => {
        const bytes = encode(space + JSON.stringify(value, undefined, indent) + space);
        const members = scanJsonObject(bytes);
        const { first, found } = findMembers(
          bytes,
          members.map(({ name }) => name),
        );
        expect(first).toEqual(members[0]);
        expect([...found.values()]).toEqual(members);
      }),
    );
  });

  test('skips strings of any length with any escapes', () => {
    const letter = fc.constantFrom('a', '"', '\\', '\n', 'é', '}', ']', '\u0001');
    const text = fc.string({ unit: letter, maxLength: 300 });
    fc.assert(
      fc.property(text, text, (before, inside) => {
        const bytes = encode(JSON.stringify({ before, list: [inside, { inside }], last: 7 }));
        expect(memberText(bytes, 'last')).toBe('7');
      }),
    );
  });

  test.each([
    ['{"a":1}', undefined],
    ['{}', undefined],
    [' { "m\\u006fdel" : -1.5e3 , "x" : "model" } ', '-1.5e3'],
    ['{"x":{"model":1},"model":[{"model":2}]}', '[{"model":2}]'],
    ['{"y":"\\\\","model":true}', 'true'],
    ['{"model":""}', '""'],
  ])('reads the member of %s', (text, expected) => {
    expect(memberText(encode(text), 'model')).toBe(expected);
  });

  test('ends at the end of what is no JSON after all', () => {
    for (const text of [
      '',
      '{',
      '{"a',
      '{"a"',
      '{"a":',
      '{"a":"',
      '{"a":[',
      `{"a":"${'x'.repeat(99)}`,
    ]) {
      expect(findMembers(encode(text), ['model']).found.size).toBe(0);
    }
  });
});
