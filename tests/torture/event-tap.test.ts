import { expect, test } from 'vitest';
import { storedEvents } from './event-tap.ts';

const REQUEST = '01998877-aaaa-7bbb-8ccc-0123456789ab';
const reply = '$JS.ACK.EVENTS.torture-tap.1.41.7.1790000000123456789.0';

function payload(...events: object[]): Uint8Array {
  return Buffer.from(events.map((event) => JSON.stringify(event)).join('\n'));
}

test('a delivered message says which events were stored when', () => {
  const attempted = { kind: 'attempted', requestId: REQUEST, attempt: 2, tenant: 'a' };
  const finished = { kind: 'finished', requestId: REQUEST, assumed: true };
  const stored = { sequence: 41, at: 1_790_000_000_123, requestId: REQUEST };
  expect(storedEvents(reply, payload(attempted, finished))).toEqual([
    { ...stored, kind: 'attempted', attempt: 2 },
    { ...stored, kind: 'finished', attempt: undefined },
  ]);
  const withDomain = '$JS.ACK.hub.AC1.EVENTS.torture-tap.1.41.7.1790000000123456789.0.tok';
  expect(storedEvents(withDomain, payload(finished))).toMatchObject([{ sequence: 41 }]);
});

test('what is no event of a request is passed over', () => {
  const control = { kind: 'control', changeId: REQUEST };
  const received = { kind: 'received', requestId: REQUEST };
  expect(storedEvents(reply, payload(control))).toEqual([]);
  expect(storedEvents(reply, payload(control, received))).toHaveLength(1);
  expect(storedEvents(undefined, payload(received))).toEqual([]);
});
