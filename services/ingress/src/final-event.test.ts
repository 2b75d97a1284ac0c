import { describe, expect, test } from 'vitest';
import { finalEventStart } from './final-event.ts';

const CHUNK = 'data: {"choices":[]}\n\n';

describe('finalEventStart', () => {
  test.each([
    { name: 'alone', before: '', final: 'data: [DONE]\n\n' },
    { name: 'after a chunk', before: CHUNK, final: 'data: [DONE]\n\n' },
    { name: 'without the space', before: CHUNK, final: 'data:[DONE]\n\n' },
    { name: 'with other line ends', before: CHUNK, final: 'data: [DONE]\r\n\r\n' },
  ])('finds the final event $name', ({ before, final }) => {
    expect(finalEventStart(Buffer.from(before + final))).toBe(before.length);
  });

  test.each([
    { name: 'nothing', text: '' },
    { name: 'a chunk', text: CHUNK },
    { name: 'a chunk that speaks of it', text: 'data: {"text":"data: [DONE]"}\n\n' },
    { name: 'another line', text: 'event: data: [DONE]\n\n' },
  ])('gives the length for $name', ({ text }) => {
    expect(finalEventStart(Buffer.from(text))).toBe(text.length);
  });
});
