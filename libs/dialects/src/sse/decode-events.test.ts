import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EVENT_BYTES_MAX, EventDecoder, type ServerSentEvent } from './decode-events.ts';

const encode = (text: string) => new TextEncoder().encode(text);

function decode(pieces: readonly Uint8Array[]): ServerSentEvent[] {
  const decoder = new EventDecoder();
  const events = pieces.flatMap((piece) => decoder.push(piece));
  const last = decoder.end(() => true);
  return last === undefined ? events : [...events, last];
}

const dataOf = (text: string) => decode([encode(text)]).map(({ data }) => data);

describe('EventDecoder', () => {
  test.each([
    ['line feeds', 'data: a\n\ndata: b\n\n', ['a', 'b']],
    ['carriage returns and line feeds', 'data: a\r\n\r\ndata: b\r\n\r\n', ['a', 'b']],
    ['carriage returns', 'data: a\r\rdata: b\r\r', ['a', 'b']],
    ['several lines of data', 'data: a\ndata: b\ndata\n\n', ['a\nb\n']],
    ['a comment', ': waiting\n\ndata: a\n\n', [undefined, 'a']],
    ['no space behind the colon', 'data:a\n\n', ['a']],
    ['two spaces behind the colon', 'data:  a\n\n', [' a']],
    ['fields that are none of ours', 'id: 1\nretry: 2\ndata: a\n\n', ['a']],
    ['a missing last empty line', 'data: a\n\ndata: b', ['a', 'b']],
    ['a byte order mark', '\u{feff}data: a\n\n', ['a']],
    ['extra empty lines', 'data: a\n\n\n\ndata: b\n\n', ['a', undefined, undefined, 'b']],
  ])('reads events with %s', (_name, text, expected) => {
    expect(dataOf(text)).toEqual(expected);
  });

  test('reads the type of an event', () => {
    expect(decode([encode('event: error\ndata: {}\n\n')])[0]).toMatchObject({ type: 'error' });
  });

  test('gives the same events and bytes however the stream is split', () => {
    const stream = encode(
      ': hi\r\n\r\ndata: {"text":"日本 😀"}\r\n\r\nevent: x\ndata: é\n\ndata: z\r\rdata: end',
    );
    const whole = decode([stream]);
    for (let at = 1; at < stream.length; at += 1) {
      const events = decode([stream.subarray(0, at), stream.subarray(at)]);
      expect(events.map(({ data, type }) => [data, type])).toEqual(
        whole.map(({ data, type }) => [data, type]),
      );
    }
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }), (lengths) => {
        const pieces: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn += 1) {
          const length = lengths[turn % lengths.length] ?? 1;
          pieces.push(stream.subarray(at, at + length));
          at += length;
        }
        const events = decode(pieces);
        expect(events.map(({ data }) => data)).toEqual(whole.map(({ data }) => data));
        expect(Buffer.concat(events.map(({ raw }) => raw)).equals(stream)).toBe(true);
      }),
    );
  });

  test('leaves the bytes of an event as they are when later ones come', () => {
    const decoder = new EventDecoder();
    const given: [ServerSentEvent, string][] = [];
    for (let number = 0; number < 50; number += 1) {
      // Whole events are given out where they lie, cut ones from a buffer that is used again.
      const text = `data: ${'x'.repeat(number * 40)}${number}\n\n`;
      const cut = number % 3 === 0 ? text.length : Math.ceil(text.length / 2);
      decoder.push(encode(text.slice(0, cut)));
      const more = `: ${number}\n\ndata: half`;
      for (const event of decoder.push(encode(`${text.slice(cut)}${more}`))) {
        given.push([event, Buffer.from(event.raw).toString()]);
      }
      decoder.push(encode('\n\n'));
    }
    expect(given.length).toBeGreaterThan(50);
    for (const [{ raw }, text] of given) expect(Buffer.from(raw).toString()).toBe(text);
  });

  test('takes an event at the bound and refuses one byte more', () => {
    const text = `data: ${'x'.repeat(EVENT_BYTES_MAX - 8)}\n\n`;
    expect(decode([encode(text)])).toHaveLength(1);
    const tooLong = encode(`data: ${'x'.repeat(EVENT_BYTES_MAX - 7)}\n\n`);
    expect(() => decode([tooLong])).toThrow('The provider sent an event that is too long.');
  });

  test('refuses a line of 10 MB that has no end as soon as the bound is passed', () => {
    const decoder = new EventDecoder();
    const piece = new Uint8Array(64 * 1024).fill(0x78);
    const pushAll = () => {
      for (let sent = 0; sent < 10_000_000; sent += piece.length) decoder.push(piece);
    };
    expect(pushAll).toThrow('too long');
  });

  test('refuses bytes that are not UTF-8', () => {
    expect(() => decode([Uint8Array.of(0x64, 0xff, 0x0a, 0x0a)])).toThrow('not UTF-8');
  });
});
