import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AnswerRecord } from './answer-record.ts';

test('one choice is finished by its reason, the last that it names', () => {
  const record = new AnswerRecord();
  expect([record.everyChoiceFinished, record.finishReasons]).toEqual([false, []]);
  record.see(3);
  expect([record.everyChoiceFinished, record.finishReasons]).toEqual([false, []]);
  record.finish(3, 'stop');
  record.finish(3, 'length');
  expect([record.everyChoiceFinished, record.finishReasons]).toEqual([true, ['length']]);
});

test('choices are finished when each is, in any order', () => {
  const step = fc.record({
    choice: fc.nat(4),
    reason: fc.option(fc.constantFrom('stop', 'length')),
  });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const record = new AnswerRecord();
      const reasons = new Map<number, string | undefined>();
      for (const { choice, reason } of steps) {
        reasons.set(choice, reason ?? reasons.get(choice));
        if (reason === null) record.see(choice);
        else record.finish(choice, reason);
      }
      const known = [...reasons].filter(([, reason]) => reason !== undefined);
      const sorted = known.toSorted(([left], [right]) => left - right);
      expect(record.finishReasons).toEqual(sorted.map(([, reason]) => reason));
      expect(record.everyChoiceFinished).toBe(reasons.size > 0 && known.length === reasons.size);
    }),
  );
});
