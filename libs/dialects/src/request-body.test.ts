import { GatewayError } from '@gateway/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { scanJsonObject } from './json/scan-json.ts';
import { readRequestBody } from './request-body.ts';

/** What is wrong, or the value. */
function outcome(read: () => unknown): unknown {
  try {
    return { value: read() };
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return { reason: error.facts.reason, message: error.message };
  }
}

test('a body is read or refused as the scan says', () => {
  const piece = fc.constantFrom(
    ...['{', '}', '[', ']', ',', ':', '"', '"a"', '"a":', '"b":1', '1', '-0.5e+3', 'true', ' '],
    ...['\\', '"\\n"', '"\\u0061":', '"\\ud800"', '.', 'e', '\n', 'é', '\u{feff}'],
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, isInside) => {
      const text = isInside ? `{"k":${pieces.join('')}}` : pieces.join('');
      const body = Buffer.from(text);
      const expected = outcome(() => {
        scanJsonObject(body);
        return JSON.parse(text);
      });
      expect(outcome(() => readRequestBody(body))).toEqual(expected);
    }),
    { numRuns: 5000 },
  );
});

test('a body that is no UTF-8 is refused as such', () => {
  expect(outcome(() => readRequestBody(Buffer.of(0x7b, 0xff, 0x7d)))).toMatchObject({
    reason: 'invalid_utf8',
  });
});
