import { errorToWire, GatewayError, inferenceEndpoint } from '@gateway/protocol';
import { expect, test } from 'vitest';
import { attempted, HEAD } from '../../tests/contract/sample-messages.ts';
import { type CallFrame, decodeFrame, encodeFrame } from './call-frames.ts';

const { head } = inferenceEndpoint('demo');
const event = attempted('01890a5d-ac96-774b-bcce-b302099a8057');
const place = { attempt: 2, sequence: 7 };

test.each<CallFrame>([
  { ...place, type: 'accepted', content: 'w1' },
  { ...place, type: 'head', content: HEAD },
  { ...place, type: 'data', content: Buffer.from('bytes') },
  { ...place, type: 'end', content: { event } },
  { ...place, type: 'end', content: { event, pack: 'w1.3' } },
])('$type is on the other side of a wire what it was', (frame) => {
  expect(decodeFrame(encodeFrame(frame), head)).toEqual(frame);
});

test('an end has the text of its event where that was published', () => {
  const json = JSON.stringify({ ...event, model: 'as published' });
  const frame: CallFrame = { ...place, type: 'end', content: { event, json } };
  expect(decodeFrame(encodeFrame(frame), head)).toMatchObject({
    content: { event: { model: 'as published' } },
  });
});

test('an error is on the other side of a wire what others may know of it', () => {
  const error = new GatewayError('provider_overloaded', 'Busy.', {
    detail: 'not for others',
    upstreamStatus: 529,
  });
  const frame: CallFrame = { ...place, type: 'error', content: { error, event, pack: 'w1.3' } };
  const decoded = decodeFrame(encodeFrame(frame), head);
  expect(decoded).toMatchObject({ ...place, type: 'error', content: { event, pack: 'w1.3' } });
  const { content } = decoded as Extract<CallFrame, { type: 'error' }>;
  expect(errorToWire(content.error)).toEqual(errorToWire(error));
  expect(content.error.facts.detail).toBeUndefined();
});

test('what is unreadable throws', () => {
  const payload = Buffer.from('{');
  for (const type of ['accepted', 'head', 'end', 'error'] as const) {
    expect(() => decodeFrame({ ...place, type, payload }, head)).toThrow();
  }
});
