import { NO_USAGE } from '@gateway/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeResponse, encodeResponse } from './stored-form.ts';

const entry = {
  contentType: 'application/json',
  provider: 'openai',
  model: 'gpt-ü',
  usage: { ...NO_USAGE, inputTokens: 7 },
  storedAt: 1_760_000_000_000,
};

describe('stored form', () => {
  test('gives back the entry and any bytes of a body', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (body) => {
        const decoded = decodeResponse(encodeResponse({ entry, body }));
        expect(decoded?.entry).toEqual(entry);
        expect(Buffer.from(decoded?.body ?? []).equals(body)).toBe(true);
      }),
    );
  });

  test('is no answer when it is cut inside its entry', () => {
    const whole = encodeResponse({ entry, body: new Uint8Array() });
    for (let length = 0; length < whole.length; length += 1) {
      expect(decodeResponse(whole.subarray(0, length))).toBeUndefined();
    }
    expect(decodeResponse(whole)?.entry).toEqual(entry);
  });

  test('is no answer in another version, with an entry that is no JSON or lacks a field', () => {
    const whole = encodeResponse({ entry, body: new Uint8Array() });
    const newer = Buffer.from(whole);
    newer.writeUInt8(2, 0);
    const broken = Buffer.from(whole);
    broken.write('?', 5);
    const { provider: _, ...lacking } = entry;
    const partial = encodeResponse({ entry: lacking as typeof entry, body: new Uint8Array() });
    expect([newer, broken, partial].map(decodeResponse)).toEqual([undefined, undefined, undefined]);
  });
});
