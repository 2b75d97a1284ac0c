import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  encodePack,
  openPack,
  PACK_EVENTS_MAX,
  type PackedEvent,
  packedBytes,
} from './event-packs.ts';
import { type EventKind, subjects } from './subjects.ts';

function event(id: string, kind: EventKind = 'received', headers = {}): PackedEvent {
  return { id, subject: subjects.event(kind), headers, bytes: Buffer.from(JSON.stringify({ id })) };
}

const opened = (payload: Uint8Array) =>
  openPack(payload).map(({ bytes, headers }) => [
    Buffer.from(bytes).toString(),
    headers && Buffer.from(headers).toString(),
  ]);

test('a pack opens into its events, each with its own headers', () => {
  const text = fc.string({ unit: 'grapheme' });
  const headers = fc.oneof(fc.constant({}), fc.record({ traceparent: fc.constant('00-0a-0b-01') }));
  const events = fc.array(fc.record({ value: fc.dictionary(text, text), headers }), {
    minLength: 1,
    maxLength: PACK_EVENTS_MAX,
  });
  fc.assert(
    fc.property(events, (all) => {
      const packed = all.map((one, index) => ({
        ...event(String(index), 'received', one.headers),
        bytes: Buffer.from(JSON.stringify(one.value)),
      }));
      const { payload } = encodePack(packed);
      expect(opened(payload)).toEqual(
        all.map((one) => [
          JSON.stringify(one.value),
          'traceparent' in one.headers ? JSON.stringify(one.headers) : undefined,
        ]),
      );
      const bytes = packed.reduce((sum, one) => sum + packedBytes(one), 0);
      // The last line ends with the message.
      expect(payload.length).toBe(bytes - 1);
    }),
  );
});

test('an event alone is its own bytes, under its own id and subject', () => {
  const alone = event('a', 'attempted');
  const { id, subject, payload } = encodePack([alone]);
  expect([id, subject, payload]).toEqual(['a', alone.subject, alone.bytes]);
});

test('the same events in the same order have the same id, and no others', () => {
  const [a, b, c] = [event('a'), event('b'), event('c')];
  const id = encodePack([a, b]).id;
  expect(encodePack([a, b]).id).toBe(id);
  for (const other of [[b, a], [a, c], [a], [a, b, c]]) {
    expect(encodePack(other).id).not.toBe(id);
  }
});

test('the subject of a pack names every kind in it once', () => {
  const pack = encodePack([
    event('a', 'finished'),
    event('b', 'attempted'),
    event('c', 'finished'),
  ]);
  expect(pack.subject).toBe('gateway.v1.event.attempted+finished');
  expect(encodePack([event('a', 'finished'), event('b', 'finished')]).subject).toBe(
    subjects.event('finished'),
  );
});

test('no events make no pack', () => {
  expect(() => encodePack([])).toThrow(RangeError);
});

test('a message of as many lines as a pack may have is opened, one of more is one event', () => {
  const most = Buffer.from(Array(PACK_EVENTS_MAX).fill('{}').join('\n'));
  expect(openPack(most)).toHaveLength(PACK_EVENTS_MAX);
  const tooMany = Buffer.concat([most, Buffer.from('\n{}')]);
  expect(opened(tooMany)).toEqual([[tooMany.toString(), undefined]]);
});

test.each(['', '#{}', '{}\n#{}', '#'])('%j is one event, whatever is wrong with it', (text) => {
  expect(opened(Buffer.from(text))).toEqual([[text, undefined]]);
});
