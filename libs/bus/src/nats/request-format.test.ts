import { GatewayError, MESSAGE_BYTES_MAX } from '@gateway/protocol';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { encodeMessage } from './message-format.ts';
import {
  deadlineOf,
  decodeRequest,
  encodeRequest,
  isRequest,
  timeoutOf,
} from './request-format.ts';

const schema = z.object({ text: z.string() });
const DEADLINE_AT = 1_700_000_000_250;
const value = { text: 'grüße' };

describe('a request', () => {
  test('is read as it was written', () => {
    const body = Buffer.from('hello');
    const bytes = encodeRequest({ value, body }, DEADLINE_AT, 250);
    expect(isRequest(bytes)).toBe(true);
    expect([deadlineOf(bytes), timeoutOf(bytes)]).toEqual([DEADLINE_AT, 250]);
    const received = decodeRequest(schema, bytes);
    expect(received.value).toEqual(value);
    expect(Buffer.from(received.body ?? []).toString()).toBe('hello');
  });

  test('is read from the middle of a buffer', () => {
    const bytes = encodeRequest({ value }, DEADLINE_AT, 250);
    const within = Buffer.concat([Buffer.from('abc'), bytes]).subarray(3);
    expect(timeoutOf(within)).toBe(250);
    expect(decodeRequest(schema, within)).toEqual({ value });
  });

  test('is not what begins otherwise, or ends in its prefix', () => {
    const bytes = encodeRequest({ value }, DEADLINE_AT, 250);
    expect(isRequest(encodeMessage({ value }))).toBe(false);
    expect(isRequest(bytes.subarray(0, 17))).toBe(true);
    expect(isRequest(bytes.subarray(0, 16))).toBe(false);
    expect(isRequest(new Uint8Array(0))).toBe(false);
  });

  test('that says more than it holds, or something else, is refused', () => {
    const bytes = encodeRequest({ value }, DEADLINE_AT, 250);
    expect(() => decodeRequest(schema, bytes.subarray(0, -1))).toThrow(RangeError);
    const other = encodeRequest({ value: { text: 1 } }, DEADLINE_AT, 250);
    expect(() => decodeRequest(schema, other)).toThrow(z.ZodError);
  });

  test('is written up to the largest message, and not one byte beyond', () => {
    const body = Buffer.alloc(MESSAGE_BYTES_MAX - JSON.stringify({}).length);
    expect(isRequest(encodeRequest({ value: {}, body }, DEADLINE_AT, 250))).toBe(true);
    const larger = Buffer.alloc(body.length + 1);
    const write = () => encodeRequest({ value: {}, body: larger }, DEADLINE_AT, 250);
    expect(write).toThrow(GatewayError);
  });
});
