import { expect, test } from 'vitest';
import { AnswerBudget } from './answer-budget.ts';

test('holds as many bytes as it may, and not one more', () => {
  const budget = new AnswerBudget(100);
  const [first, second] = [budget.hold(), budget.hold()];
  first.add(60);
  second.add(40);
  expect(() => second.add(1)).toThrowError(expect.objectContaining({ code: 'overloaded' }));
  expect(budget.held).toBe(100);
});

test('has room for others once an answer was passed on', () => {
  const budget = new AnswerBudget(100);
  const first = budget.hold();
  first.add(100);
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  expect(budget.held).toBe(0);
  budget.hold().add(100);
});
