import { describe, expect, test } from 'vitest';
import { spliceMembers } from './splice-members.ts';

function splice(text: string, edits: Parameters<typeof spliceMembers>[1]): string {
  return new TextDecoder().decode(spliceMembers(new TextEncoder().encode(text), edits));
}

describe('spliceMembers', () => {
  test('replaces a value and keeps every other byte', () => {
    const text = '{\n "x": 1.0 ,\t"m\\u006fdel" : "ä" , "y":{"model":1e2}}\n';
    expect(splice(text, { model: () => '"new"' })).toBe(text.replace('"ä"', '"new"'));
  });

  test('gives an edit the present value and leaves it when the edit says so', () => {
    const seen: (string | undefined)[] = [];
    const note = (present: string | undefined) => {
      seen.push(present);
      return undefined;
    };
    expect(splice('{"a": [1, 2]}', { a: note, b: note })).toBe('{"a": [1, 2]}');
    expect(seen).toEqual(['[1, 2]', undefined]);
  });

  test('adds a member in front of the first, also next to a replaced one', () => {
    const edits = { model: () => '"new"', more: () => '{}' };
    expect(splice('{ "model":"old"}', edits)).toBe('{ "more":{},"model":"new"}');
  });

  test('adds a member to an object without any', () => {
    expect(splice(' { } ', { a: () => '1' })).toBe(' {"a":1 } ');
  });

  test('gives back the bytes themselves where every value is as it should be', () => {
    const bytes = new TextEncoder().encode('{"model":"same","x":1}');
    expect(spliceMembers(bytes, { model: () => '"same"', x: () => undefined })).toBe(bytes);
  });
});
