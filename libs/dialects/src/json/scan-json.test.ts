import { GatewayError } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JSON_DEPTH_MAX, JSON_VALUES_MAX, scanJsonObject } from './scan-json.ts';

const encode = (text: string) => new TextEncoder().encode(text);

function reasonOf(text: string): string | undefined {
  try {
    scanJsonObject(encode(text));
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(GatewayError);
    return (error as GatewayError).facts.reason;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('scanJsonObject', () => {
  test('says where each top-level value lies', () => {
    const bytes = encode('{ "ä" : [1, {"b": 2}] ,"c":"d\\"","e":-1.5e3}');
    const members = scanJsonObject(bytes).map(({ name, nameStart, valueStart, valueEnd }) => [
      name,
      new TextDecoder().decode(bytes.subarray(nameStart, nameStart + 2)),
      new TextDecoder().decode(bytes.subarray(valueStart, valueEnd)),
    ]);
    expect(members).toEqual([
      ['ä', '"\u{fffd}', '[1, {"b": 2}]'],
      ['c', '"c', '"d\\""'],
      ['e', '"e', '-1.5e3'],
    ]);
  });

  test.each([
    ['nothing', ''],
    ['no object', '[1]'],
    ['a string', '"text"'],
    ['a byte order mark', '\u{feff}{}'],
    ['a missing end', '{"a":[1,2'],
    ['a missing value', '{"a":}'],
    ['a missing colon', '{"a" 1}'],
    ['a trailing comma', '{"a":1,}'],
    ['a trailing comma of an array', '{"a":[1,]}'],
    ['NaN', '{"a":NaN}'],
    ['a leading zero', '{"a":01}'],
    ['a bare minus', '{"a":-}'],
    ['two objects', '{}{}'],
    ['single quotes', "{'a':1}"],
    ['a control character in a string', '{"a":"\n"}'],
    ['an unknown escape', '{"a":"\\x"}'],
    ['a short unicode escape', '{"a":"\\u12"}'],
    ['the wrong bracket', '{"a":[}'],
    ['a comment', '{/* */}'],
  ])('refuses %s as invalid JSON', (_name, text) => {
    expect(reasonOf(text)).toBe('invalid_json');
  });

  test('says the byte of a mistake and quotes nothing', () => {
    expect(() => scanJsonObject(encode('{"prompt": "secret", x}'))).toThrow(
      'The request body is not valid JSON, at byte 21.',
    );
  });

  test.each([
    ['an object', '{"a":', '}'],
    ['an array', '[', ']'],
  ])('takes the bound of nested levels of %s and not one more', (_name, open, close) => {
    const nested = (levels: number) =>
      `{"a":${open.repeat(levels - 1)}1${close.repeat(levels - 1)}}`;
    expect(reasonOf(nested(JSON_DEPTH_MAX))).toBeUndefined();
    expect(reasonOf(nested(JSON_DEPTH_MAX + 1))).toBe('json_too_deep');
    expect(reasonOf(nested(500_000))).toBe('json_too_deep');
  });

  test('brackets inside of strings are not levels', () => {
    expect(reasonOf(`{"a":"${'['.repeat(1000)}"}`)).toBeUndefined();
  });

  test('takes the bound of values and not one more', () => {
    // The object and the array are values too.
    const items = (count: number) => `{"a":[${Array(count - 2).fill('1')}]}`;
    expect(reasonOf(items(JSON_VALUES_MAX))).toBeUndefined();
    expect(reasonOf(items(JSON_VALUES_MAX + 1))).toBe('too_many_items');
  });

  test.each([
    ['the same spelling', '{"model":1,"model":2}'],
    ['an escaped spelling', '{"model":1,"m\\u006fdel":2}'],
    ['a name that objects have', '{"__proto__":1,"\\u005f_proto__":2}'],
  ])('refuses a top-level name twice, in %s', (_name, text) => {
    expect(reasonOf(text)).toBe('duplicate_key');
  });

  test('leaves names below the top level alone', () => {
    expect(reasonOf('{"a":{"b":1,"b":2},"b":3}')).toBeUndefined();
  });

  test.each([
    ['a high half alone', '"\\ud83d"', 'invalid_unicode'],
    ['a high half before text', '"\\ud83dx"', 'invalid_unicode'],
    ['a low half alone', '"\\ude00"', 'invalid_unicode'],
    ['two high halves', '"\\ud83d\\ud83d"', 'invalid_unicode'],
    ['a whole pair', '"\\ud83d\\ude00"', undefined],
    ['other escapes', '"\\u0000\\ue000\\n"', undefined],
  ])('judges %s of a surrogate pair', (_name, text, reason) => {
    expect(reasonOf(`{"a":${text}}`)).toBe(reason);
  });

  test('agrees with JSON.parse on what is JSON', () => {
    const piece = fc.constantFrom(
      ...['{', '}', '[', ']', ',', ':', '"', '"a"', '"b"', '1', '-0.5e+3', 'true', 'null', ' '],
      ...['\\', '\\n', '\\u0041', '.', 'e', '\n', 'é'],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = `{"k":${pieces.join('')}}`;
        const reason = reasonOf(text);
        if (reason === undefined || reason === 'invalid_json') {
          expect(reason === undefined).toBe(isJson(text));
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('takes every object that JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), (value) => {
        const bytes = encode(JSON.stringify(value));
        const members = scanJsonObject(bytes);
        expect(members.map(({ name }) => name)).toEqual(Object.keys(value));
        for (const { name, valueStart, valueEnd } of members) {
          const text = new TextDecoder().decode(bytes.subarray(valueStart, valueEnd));
          expect(text).toBe(JSON.stringify(value[name]));
        }
      }),
    );
  });
});
