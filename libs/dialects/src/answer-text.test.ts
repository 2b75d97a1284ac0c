import { describe, expect, test } from 'vitest';
import { answerTextBytes } from './answer-text.ts';

const chat = (delta: object) =>
  `data: {"id":"x","choices":[{"delta":${JSON.stringify(delta)}}]}\n\n`;

describe('answerTextBytes', () => {
  test.for([
    ['chat', chat({ role: 'assistant', content: 'Hello' }), 5],
    ['chat', chat({ content: 'a' }) + chat({ content: 'bcd' }), 4],
    ['chat', chat({ reasoning_content: 'Hm', tool_calls: [{ arguments: '{}' }] }), 4],
    ['chat', chat({ content: null }), 0],
    ['chat', '{"choices": [{"message": {"content": "Hello"}}]}', 5],
    ['messages', 'data: {"delta":{"type":"text_delta","text":"Hello"}}\n\n', 5],
    ['messages', 'data: {"delta":{"type":"thinking_delta","thinking":"Hm"}}\n\n', 2],
    ['messages', 'data: {"delta":{"partial_json":"{\\"a\\""}}\n\n', 6],
    ['gemini', 'data: {"parts": [{"text": "Hello"}]}\r\n\r\n', 5],
    ['responses', 'data: {"type":"response.output_text.delta","delta":"Hello"}\n\n', 5],
  ] as const)('of %s in %s are %i', ([dialect, piece, bytes]) => {
    expect(answerTextBytes(dialect, Buffer.from(piece))).toBe(bytes);
  });

  test('end with the piece where it was cut', () => {
    const whole = Buffer.from(chat({ content: 'a"b\\c' }));
    const counts = [...whole.keys()].map((end) => answerTextBytes('chat', whole.subarray(0, end)));
    expect(counts.every((count, end) => count >= (counts[end - 1] ?? 0))).toBe(true);
    expect(Math.max(...counts)).toBe(answerTextBytes('chat', whole));
    expect(answerTextBytes('chat', whole)).toBe(7);
  });
});
