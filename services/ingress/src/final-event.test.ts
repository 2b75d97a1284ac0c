import { describe, expect, test } from 'vitest';
import { finalEventStart } from './final-event.ts';

const CHUNK = 'data: {"choices":[]}\n\n';

describe('finalEventStart', () => {
  test.each([
    { name: 'alone', before: '', final: 'data: [DONE]\n\n' },
    { name: 'after a chunk', before: CHUNK, final: 'data: [DONE]\n\n' },
    { name: 'without the space', before: CHUNK, final: 'data:[DONE]\n\n' },
    { name: 'with other line ends', before: CHUNK, final: 'data: [DONE]\r\n\r\n' },
    { name: 'of an array', before: ',\r\n{"candidates":[]}', final: '\r\n]' },
  ])('finds the final event $name', ({ before, final }) => {
    expect(finalEventStart(Buffer.from(before + final))).toBe(before.length);
  });

  const NAMED = 'event: message_delta\ndata: {"delta":{}}\n\n';

  test.each([
    { name: 'of a message', final: 'event: message_stop\ndata: {"type":"message_stop"}\n\n' },
    { name: 'without the space', final: 'event:message_stop\ndata:{}\n\n' },
    { name: 'with other line ends', final: 'event: message_stop\r\ndata: {}\r\n\r\n' },
    { name: 'of a response', final: 'event: response.completed\ndata: {"response":{}}\n\n' },
    { name: 'of a response cut short', final: 'event: response.incomplete\ndata: {}\n\n' },
    {
      name: 'and what a server adds',
      final: 'event: response.completed\ndata: {}\n\ndata: [DONE]\n\n',
    },
    {
      name: 'of which more is to come',
      final: `event: response.completed\ndata: {"a":"${'a'.repeat(99)}`,
    },
  ])('finds the named final event $name', ({ final }) => {
    expect(finalEventStart(Buffer.from(final))).toBe(0);
    expect(finalEventStart(Buffer.from(NAMED + final))).toBe(NAMED.length);
  });

  test.each([
    { name: 'nothing', text: '' },
    { name: 'a named event', text: NAMED },
    { name: 'an event of a longer name', text: 'event: message_stopped\ndata: {}\n\n' },
    { name: 'an event that speaks of it', text: 'event: a\ndata: "event: message_stop\\n"\n\n' },
    { name: 'a chunk', text: CHUNK },
    { name: 'an element of an array', text: ',\r\n{"candidates":[]}' },
    { name: 'a chunk that speaks of it', text: 'data: {"text":"data: [DONE]"}\n\n' },
    { name: 'another line', text: 'event: data: [DONE]\n\n' },
  ])('gives the length for $name', ({ text }) => {
    expect(finalEventStart(Buffer.from(text))).toBe(text.length);
  });
});
