import { expect, test } from 'vitest';
import { RetryBudget } from './retry-budget.ts';

function withRequests(count: number): RetryBudget {
  const budget = new RetryBudget();
  for (let entered = 0; entered < count; entered += 1) budget.enter();
  return budget;
}

/** As many repetitions as the budget gives. */
function takeAll(budget: RetryBudget): Disposable[] {
  const taken: Disposable[] = [];
  for (let one = budget.take(); one !== undefined; one = budget.take()) taken.push(one);
  return taken;
}

test.for([
  [1, 3],
  [23, 3],
  [24, 4],
  [60, 10],
  [65, 10],
  [66, 11],
] as const)('of %i requests in flight, %i repeat at once', ([inFlight, repeating]) => {
  expect(takeAll(withRequests(inFlight))).toHaveLength(repeating);
});

test('what has ended makes room again, once', () => {
  const budget = withRequests(60);
  const [first] = takeAll(budget);
  expect(budget.take()).toBeUndefined();
  first?.[Symbol.dispose]();
  expect(takeAll(budget)).toHaveLength(1);
});

test('a request that has left is no reason for a repetition', () => {
  const budget = withRequests(59);
  const request = budget.enter();
  expect(takeAll(budget)).toHaveLength(10);
  const shrunk = withRequests(59);
  shrunk.enter()[Symbol.dispose]();
  request[Symbol.dispose]();
  expect(takeAll(shrunk)).toHaveLength(9);
});
