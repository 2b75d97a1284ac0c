import { expect, test } from 'vitest';
import { AnswerRecord } from '../answer-record.ts';
import { PassingEvents } from './passing-events.ts';

const event = (text: string, lineEnd = '\n') => `data: {"text":"${text}"}${lineEnd}${lineEnd}`;

function open() {
  const record = new AnswerRecord();
  const read: string[] = [];
  const events = new PassingEvents({ text: ['text'], padding: [] }, record, (one) => {
    const text: string = JSON.parse(one.data ?? '{}').text;
    read.push(text);
    events.expectAlike(one, text.length);
    return text !== 'dropped';
  });
  const push = (text: string) => Buffer.from(events.push(Buffer.from(text))).toString();
  return { record, read, push };
}

test('reads the first of events that are alike', () => {
  const { record, read, push } = open();
  const text = event('one') + event('three') + event('five');
  expect(push(text)).toBe(text);
  expect(push(event('seven'))).toBe(event('seven'));
  expect(read).toEqual(['one']);
  expect(record.outputCharacters).toBe(14);
});

test('reads an event that comes in two pieces', () => {
  const { read, push } = open();
  expect(push(event('one') + event('two').slice(0, 9))).toBe(event('one'));
  expect(push(event('two').slice(9) + event('three'))).toBe(event('two') + event('three'));
  expect(read).toEqual(['one', 'two']);
});

test('leaves out what does not go on', () => {
  const { push } = open();
  expect(push(event('\\u0061') + event('dr\\u006fpped') + event('b'))).toBe(
    event('\\u0061') + event('b'),
  );
});

test('gives out an event whose end is known by what follows', () => {
  const { push, read } = open();
  const waits = event('one', '\r\n').slice(0, -1);
  expect(push(event('none'))).toBe(event('none'));
  expect(push(waits)).toBe('');
  expect(push(event('two'))).toBe(waits + event('two'));
  expect(read).toEqual(['none', 'one', 'two']);
});

test('reads on where an event has an empty text that nobody counts', () => {
  const record = new AnswerRecord();
  const read: string[] = [];
  const events = new PassingEvents({ text: ['text'], padding: [] }, record, (one) => {
    read.push(one.data ?? '');
    events.expectAlike(one, 0);
    return true;
  });
  for (const text of ['', 'not counted']) events.push(Buffer.from(event(text)));
  expect(read).toHaveLength(2);
  expect(record.outputCharacters).toBe(0);
});
