import { describe, expect, test } from 'vitest';
import {
  type CallRequest,
  checkCallRequest,
  decodeCallRequests,
  packCallRequest,
} from './call-request.ts';
import { encodePack } from './message-packs.ts';

const opening = {
  requestId: '01890a5d-ac96-774b-bcce-b302099a8057',
  attempt: 1,
  deadlineAt: 1_700_000_060_000,
  acceptBy: 1_700_000_001_000,
  windowBytes: 32_768,
  caller: 'i1',
  handBacks: 0,
};

const request = { opening, bodyBytes: 5, value: { model: 'gpt' } };

/** Those that are read where these were written, in one message. */
function sent(...calls: readonly [request: CallRequest, body?: Uint8Array][]) {
  const packed = calls.map(([request, body]) => packCallRequest(request, body));
  return decodeCallRequests(encodePack(packed, 0)).map(checkCallRequest);
}

describe('the request of a call', () => {
  test.each([
    ['without a trace', request],
    ['with a trace', { ...request, trace: { traceparent: '00-1-2-01' } }],
  ])('is read as it was written %s', (_, request) => {
    const body = Buffer.from('hello');
    const [received] = sent([request, body]);
    expect(received?.request).toStrictEqual(request);
    expect(Buffer.from(received?.body ?? []).toString()).toBe('hello');
  });

  test('travels with others, each with its own body', () => {
    const other = { ...request, opening: { ...opening, attempt: 2 }, bodyBytes: 0 };
    const received = sent(
      [request, Buffer.from('hello')],
      [other],
      [request, Buffer.from('world')],
    );
    expect(received.map(({ request: { opening: of } }) => of.attempt)).toEqual([1, 2, 1]);
    const bodies = received.map(({ body }) => body && Buffer.from(body).toString());
    expect(bodies).toEqual(['hello', undefined, 'world']);
  });

  test('may leave its body with the caller', () => {
    expect(sent([request])[0]?.body).toBeUndefined();
  });

  test.each([
    ['an attempt of none', { attempt: 0 }],
    ['a part of an attempt', { attempt: 1.5 }],
    ['no window', { windowBytes: 0 }],
    ['a caller that is no text', { caller: 1 }],
    ['no deadline', { deadlineAt: undefined }],
    ['fewer hand-backs than none', { handBacks: -1 }],
  ])('is refused with %s', (_, change) => {
    const broken = { ...request, opening: { ...opening, ...change } as typeof opening };
    expect(() => sent([broken])).toThrow(/opening/);
  });

  test('loses fields of its opening that are not known', () => {
    const more = { ...request, opening: { ...opening, more: 1 } };
    expect(sent([more])[0]?.request).toStrictEqual(request);
  });
});
