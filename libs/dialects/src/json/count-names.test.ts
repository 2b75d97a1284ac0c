import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countNames } from './count-names.ts';
import {
  JSON_DEPTH_MAX,
  JSON_VALUES_MAX,
  NUMBER_CHARACTERS_MAX,
  scanJsonObject,
} from './scan-json.ts';

const count = (text: string) => countNames(Buffer.from(text));

describe('countNames', () => {
  test.each([
    ['{}', 0],
    ['{"a":1}', 1],
    [' { "a" : "x:y{[,\\"" , "b" : { "c" : [1, {"d": null}] } } ', 2],
    ['{"a":1,"a":2}', 2],
    ['{"a":1,"\\n":2}', 2],
  ])('of %s are %i', (text, names) => {
    expect(count(text)).toBe(names);
  });

  test.each([
    ['an escape that may be half a character', '{"a":"\\ud800"}'],
    ['an escaped name', '{"\\u0061":1}'],
    ['a byte order mark', '\u{feff}{}'],
    ['no object', '7'],
  ])('leaves %s to the scan', (_name, text) => {
    expect(count(text)).toBeUndefined();
  });

  test.each([
    ['levels', JSON_DEPTH_MAX, (levels: number) => `${'{"a":'.repeat(levels)}`],
    ['values', JSON_VALUES_MAX, (values: number) => `{"a":[${Array(values - 3).fill('1')}]}`],
    ['digits', NUMBER_CHARACTERS_MAX, (digits: number) => `{"a":${'1'.repeat(digits)}}`],
  ])('takes the bound of %s, and leaves one more to the scan', (_name, bound, text) => {
    expect(count(text(bound))).toBe(1);
    expect(count(text(bound + 1))).toBeUndefined();
  });

  test('agrees with the scan on every object that JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), (value) => {
        const bytes = Buffer.from(JSON.stringify(value));
        const names = countNames(bytes);
        if (names !== undefined) expect(names).toBe(scanJsonObject(bytes).length);
      }),
    );
  });
});
