import { describe, expect, test } from 'vitest';
import { deliveryOf, eventsOf } from '../tests/events.ts';
import { type AttemptColumns, TIME_MAX_MS, TOKENS_MAX } from './event-columns.ts';
import { readDelivery } from './read-delivery.ts';

const { received, attempted } = eventsOf();

function stateIn(event: unknown) {
  const reading = readDelivery(deliveryOf(event));
  return reading.verdict === 'good' ? reading.entry.state : undefined;
}

const [attempt] = stateIn(attempted())?.attempts ?? [];

describe('readDelivery', () => {
  test.each([
    { name: 'escapes', userAgent: 'a "quoted" \\ one\n', stored: 'a "quoted" \\ one\n' },
    { name: 'other letters', userAgent: 'é\u{1f600}', stored: 'é\u{1f600}' },
    { name: 'half a pair', userAgent: 'a\ud83d', stored: 'a\ufffd' },
    { name: 'what looks like U+0000', userAgent: '\\u0000', stored: '\\u0000' },
  ])('takes a text with $name', ({ userAgent, stored }) => {
    expect(stateIn(received({ userAgent }))?.facts.user_agent).toBe(stored);
  });

  test('takes texts of a list as all others', () => {
    const { attempts } = stateIn(attempted({ finishReasons: ['a\udc00', 'b'] })) ?? {};
    const expected: Partial<AttemptColumns> = { ...attempt, finish_reasons: ['a\ufffd', 'b'] };
    const { attempt_order: _order, ...columns } = expected;
    expect(attempts).toMatchObject([columns]);
  });

  test.each([received({ userAgent: 'a\0' }), attempted({ finishReasons: ['stop', '\0'] })])(
    'refuses U+0000 in a text of $kind',
    (event) => {
      const reason = 'a text holds U+0000';
      expect(readDelivery(deliveryOf(event))).toEqual({ verdict: 'poison', reason });
    },
  );

  test('takes the largest numbers, and nothing beyond', () => {
    const usageOf = (inputTokens: number) => ({ ...attempted().usage, inputTokens });
    const verdict = (event: unknown) => readDelivery(deliveryOf(event)).verdict;
    expect(verdict(received({ deadlineAt: TIME_MAX_MS }))).toBe('good');
    expect(verdict(received({ deadlineAt: TIME_MAX_MS + 1 }))).toBe('poison');
    expect(verdict(attempted({ usage: usageOf(TOKENS_MAX) }))).toBe('good');
    expect(verdict(attempted({ usage: usageOf(TOKENS_MAX + 1) }))).toBe('poison');
  });
});
