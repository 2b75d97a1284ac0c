import { GatewayError, MESSAGE_BYTES_MAX } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { packedMessage } from './message-packs.ts';
import {
  areRequests,
  deadlineOf,
  decodeMessages,
  decodeReplies,
  decodeRequests,
  encodeMessages,
  encodeRequests,
  packedError,
  packedReply,
  timeoutOf,
} from './request-format.ts';

const DEADLINE_AT = 1_700_000_000_250;
const value = { text: 'grüße' };
const bodyOfMaximum = Buffer.alloc(MESSAGE_BYTES_MAX - JSON.stringify({}).length);

function requests(...messages: Parameters<typeof packedMessage>[0][]) {
  return encodeRequests(messages.map(packedMessage), DEADLINE_AT, 250);
}

describe('requests', () => {
  test('are read as they were written', () => {
    const body = Buffer.from('hello');
    const bytes = requests({ value, body }, { value: [] }, { value: 1, body });
    expect(areRequests(bytes)).toBe(true);
    expect([deadlineOf(bytes), timeoutOf(bytes)]).toEqual([DEADLINE_AT, 250]);
    expect(decodeRequests(bytes)).toEqual([{ value, body }, { value: [] }, { value: 1, body }]);
  });

  test('are read from the middle of a buffer', () => {
    const within = Buffer.concat([Buffer.from('abc'), requests({ value })]).subarray(3);
    expect(timeoutOf(within)).toBe(250);
    expect(decodeRequests(within)).toEqual([{ value }]);
  });

  test('are not what begins otherwise, or ends in its prefix', () => {
    const bytes = requests({ value });
    expect(areRequests(Buffer.from([1, ...bytes.subarray(1)]))).toBe(false);
    expect(areRequests(bytes.subarray(0, 17))).toBe(true);
    expect(areRequests(bytes.subarray(0, 16))).toBe(false);
    expect(areRequests(new Uint8Array(0))).toBe(false);
  });

  test('that say more than they hold, or something else, are refused', () => {
    const bytes = requests({ value }, { value, body: Buffer.from('hello') });
    for (const length of [17, 19, 30, bytes.length - 6, bytes.length - 1]) {
      expect(() => decodeRequests(bytes.subarray(0, length))).toThrow();
    }
    const other = Buffer.from(bytes);
    other.writeUInt16LE(3, 17);
    expect(() => decodeRequests(other)).toThrow();
  });

  test('are written up to the largest message, and not one byte beyond', () => {
    expect(areRequests(requests({ value: {}, body: bodyOfMaximum }))).toBe(true);
    const larger = Buffer.alloc(bodyOfMaximum.length + 1);
    expect(() => requests({ value: {}, body: larger })).toThrow(GatewayError);
  });
});

describe('replies', () => {
  test('name the request that they answer', () => {
    const body = Buffer.from('hello');
    const error = new GatewayError('rate_limited', 'Slow down.', { retryAfterMs: 5, detail: 'x' });
    const packed = [packedReply(11, { value, body }), packedError(2, error)];
    const [first, second] = decodeReplies(encodeMessages(packed));
    expect(first).toEqual({ place: 11, reply: { value, body }, error: undefined });
    expect(second?.place).toBe(2);
    expect(second?.error?.code).toBe('rate_limited');
    expect(second?.error?.facts).toEqual({ retryAfterMs: 5 });
  });

  test('of another form are refused', () => {
    for (const other of [value, ['0', value], [0, null, { code: 1 }]]) {
      const bytes = encodeMessages([packedMessage({ value: other })]);
      expect(() => decodeReplies(bytes)).toThrow();
    }
    expect(() => decodeReplies(new Uint8Array(0))).toThrow(RangeError);
  });

  test('are written up to the largest message, and not one byte beyond', () => {
    const [largest] = decodeReplies(
      encodeMessages([packedReply(15, { value: {}, body: bodyOfMaximum })]),
    );
    expect(largest?.reply.body?.length).toBe(bodyOfMaximum.length);
    const larger = Buffer.alloc(bodyOfMaximum.length + 1);
    expect(() => packedReply(15, { value: {}, body: larger })).toThrow(GatewayError);
  });
});

test('messages of another version are refused', () => {
  const bytes = encodeMessages([packedMessage({ value })]);
  expect(decodeMessages(bytes)).toEqual([{ value }]);
  expect(() => decodeMessages(Buffer.from([1, ...bytes.subarray(1)]))).toThrow(RangeError);
});
