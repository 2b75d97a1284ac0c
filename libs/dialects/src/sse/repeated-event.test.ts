import { describe, expect, test } from 'vitest';
import { LEARNT_IN_VAIN_MAX, RepeatedEvent } from './repeated-event.ts';

const event = (text: string, more = '') => `data: {"a":1,"content":"${text}","b":[2]${more}}\n\n`;

function learnt(raw: string, characters: number): RepeatedEvent {
  const repeated = new RepeatedEvent({ text: ['content', 'thought'], padding: ['pad'] });
  repeated.learn(Buffer.from(raw), characters);
  return repeated;
}

/** How many bytes are such events, and the characters of their texts. */
function match(repeated: RepeatedEvent, text: string): readonly [number, number] {
  return [repeated.match(Buffer.from(text)), repeated.textCharacters];
}

describe('RepeatedEvent', () => {
  const repeated = learnt(event('Hi'), 2);

  test.each([
    ['the same again', event('Hi'), 2],
    ['with another text', event('Hello, you'), 10],
    ['without text', event(''), 0],
    ['with other letters', event('Grüße, 世界 😀'), 12],
  ])('knows an event %s', (_name, text, characters) => {
    expect(match(repeated, text)).toEqual([Buffer.byteLength(text), characters]);
  });

  test('knows several, up to the first that differs', () => {
    const alike = event('one') + event('two');
    const other = event('three').replace('[2]', '[3]');
    expect(match(repeated, alike + other + event('four'))).toEqual([alike.length, 6]);
  });

  test.each([
    ['another value', event('Hi').replace('"a":1', '"a":2')],
    ['another member', event('Hi', ',"c":3')],
    ['an escape in its text', event('a\\n')],
    ['a quote in its text', event('a","content":"b')],
    ['a line end in its text', event('a\n')],
    ['half of its text', event('Hello').slice(0, 28)],
    ['half of its end', event('Hello').slice(0, -1)],
    ['nothing', ''],
  ])('does not know one with %s', (_name, text) => {
    expect(match(repeated, text)).toEqual([0, 0]);
  });

  test('does not know one that is no UTF-8', () => {
    const bytes = Buffer.from(event('?'));
    bytes[bytes.indexOf('?')] = 0xff;
    expect(repeated.match(bytes)).toBe(0);
  });

  test('reads over padding, and over spaces behind a name', () => {
    const padded = (text: string, pad: string) => `data: {"content": "${text}","pad":"${pad}"}\n\n`;
    const known = learnt(padded('Hi', 'xyz'), 2);
    expect(match(known, padded('Hello', ''))).toEqual([padded('Hello', '').length, 5]);
  });

  test('learns a text with escapes', () => {
    expect(match(learnt(event('\\"\\u00e4\\n'), 3), event('x'))).toEqual([event('x').length, 1]);
  });

  test.each([
    ['no text', 'data: {"a":1}\n\n', 0],
    ['two texts', event('Hi', ',"thought":"x"'), 3],
    ['the name twice', event('Hi', ',"c":{"content":"x"}'), 2],
    ['a name in a text', event('\\"content":', ',"c":1'), 10],
    ['a text that is not the one that counts', event('Hi'), 3],
    ['a line end that may be half', event('Hi').replace(/\n\n$/, '\r\r'), 2],
  ])('learns nothing from an event with %s', (_name, raw, characters) => {
    expect(match(learnt(raw, characters), raw)).toEqual([0, 0]);
  });

  test('forgets', () => {
    const known = learnt(event('Hi'), 2);
    known.forget();
    expect(match(known, event('Hi'))).toEqual([0, 0]);
  });

  test('gives up where events differ in more than their text', () => {
    const numbered = (number: number) => event('Hi', `,"number":${number}`);
    const known = learnt(numbered(1), 2);
    for (let number = 2; number <= LEARNT_IN_VAIN_MAX; number += 1) {
      expect(match(known, numbered(number))).toEqual([0, 0]);
      known.learn(Buffer.from(numbered(number)), 2);
    }
    const last = numbered(LEARNT_IN_VAIN_MAX);
    expect(match(known, last)).toEqual([last.length, 2]);
    for (let number = 0; number <= LEARNT_IN_VAIN_MAX; number += 1) {
      known.learn(Buffer.from(numbered(number)), 2);
    }
    expect(match(known, numbered(LEARNT_IN_VAIN_MAX))).toEqual([0, 0]);
  });
});
