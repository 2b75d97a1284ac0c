import { expect, test } from 'vitest';
import { AnswerReader } from './answer-reader.ts';

const ANSWERS = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello' +
    'HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n' +
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n' +
    'a\r\n0123456789\r\n1\r\n!\r\n0\r\n\r\n',
);

function read(pieces: readonly Buffer[]) {
  let body = '';
  const answers: { status: number; isLast: boolean; body: string }[] = [];
  const reader = new AnswerReader({
    head: (text) => expect(text).toMatch(/^http\/1\.1 \d{3} /),
    piece: (bytes) => {
      body += bytes.toString();
    },
    end: (status, isLast) => {
      answers.push({ status, isLast, body });
      body = '';
    },
  });
  for (const piece of pieces) reader.push(piece);
  return answers;
}

test('answers are the same however they are cut', () => {
  const whole = read([ANSWERS]);
  expect(whole).toEqual([
    { status: 200, isLast: false, body: 'hello' },
    { status: 429, isLast: false, body: '' },
    { status: 200, isLast: true, body: '0123456789!' },
  ]);
  for (let at = 1; at < ANSWERS.length; at += 1) {
    expect(read([ANSWERS.subarray(0, at), ANSWERS.subarray(at)])).toEqual(whole);
  }
  expect(read([...ANSWERS].map((byte) => Buffer.of(byte)))).toEqual(whole);
});

test.each([
  ['what is no answer', 'GET / HTTP/1.1\r\n\r\n'],
  ['a body that ends with the connection', 'HTTP/1.1 200 OK\r\n\r\n'],
  ['a chunk without a size', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n'],
  ['a head without an end', `HTTP/1.1 200 OK\r\n${'x'.repeat(70_000)}`],
])('%s is refused', (_, text) => {
  expect(() => read([Buffer.from(text)])).toThrow();
});
