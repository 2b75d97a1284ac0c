import { expect, test } from 'vitest';
import { storedEvent } from './event-tap.ts';

const REQUEST = '01998877-aaaa-7bbb-8ccc-0123456789ab';
const reply = '$JS.ACK.EVENTS.torture-tap.1.41.7.1790000000123456789.0';

test('a delivered message says which event was stored when', () => {
  expect(storedEvent(reply, `${REQUEST}:attempted:2`)).toEqual({
    sequence: 41,
    at: 1_790_000_000_123,
    kind: 'attempted',
    requestId: REQUEST,
    attempt: 2,
  });
  const assumed = storedEvent(reply, `${REQUEST}:finished:assumed`);
  expect(assumed).toMatchObject({ kind: 'finished', requestId: REQUEST });
  const withDomain = '$JS.ACK.hub.AC1.EVENTS.torture-tap.1.41.7.1790000000123456789.0.tok';
  expect(storedEvent(withDomain, `${REQUEST}:received`)).toMatchObject({ sequence: 41 });
});

test('what is no event of a request is passed over', () => {
  expect(storedEvent(reply, `${REQUEST}:control`)).toBeUndefined();
  expect(storedEvent(reply, undefined)).toBeUndefined();
  expect(storedEvent(undefined, `${REQUEST}:received`)).toBeUndefined();
});
