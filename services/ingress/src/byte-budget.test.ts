import { describe, expect, test } from 'vitest';
import { ByteBudget } from './byte-budget.ts';

describe('a byte budget', () => {
  test('gives out all of its bytes and not one more', () => {
    const budget = new ByteBudget(100, 50);
    const share = budget.answerShare();
    share.growTo(60);
    budget.answerShare().growTo(40);
    expect(budget.reserved).toBe(100);
    expect(() => share.growTo(61)).toThrow(expect.objectContaining({ code: 'overloaded' }));
    expect(() => budget.answerShare().growTo(1)).toThrow(
      expect.objectContaining({ code: 'overloaded' }),
    );
    expect(budget.reserved).toBe(100);
  });

  test('gives requests half of what answers get', () => {
    const budget = new ByteBudget(100, 50);
    const request = budget.requestShare('a-key');
    request.growTo(30);
    budget.checkRoom(20);
    expect(() => budget.checkRoom(21)).toThrow(expect.objectContaining({ code: 'overloaded' }));
    expect(() => request.growTo(51)).toThrow(expect.objectContaining({ code: 'overloaded' }));
    request.growTo(50);
    const answer = budget.answerShare();
    answer.growTo(50);
    request.release();
    answer.growTo(60);
    const late = budget.requestShare('a-key');
    expect(() => late.growTo(1)).toThrow(expect.objectContaining({ code: 'overloaded' }));
    // What is beyond a bound can still be given back.
    answer.release();
    expect(budget.reserved).toBe(0);
  });

  test.for([
    { title: 'a quarter of what requests may take', bytesMax: 800, bodyBytesMax: 10, bound: 100 },
    { title: 'one whole body where that is more', bytesMax: 800, bodyBytesMax: 120, bound: 120 },
  ])('gives the requests of one key $title, and others the rest', (one) => {
    const { bytesMax, bodyBytesMax, bound } = one;
    const budget = new ByteBudget(bytesMax, bodyBytesMax);
    const [first, second] = [budget.requestShare('a-key'), budget.requestShare('a-key')];
    first.growTo(bound - 1);
    second.growTo(1);
    const overloaded = expect.objectContaining({ code: 'overloaded' });
    expect(() => second.growTo(2)).toThrow(overloaded);
    expect(() => budget.requestShare('a-key').growTo(1)).toThrow(overloaded);
    expect(budget.reserved).toBe(bound);
    budget.requestShare('another-key').growTo(bound);
    budget.answerShare().growTo(bound);
    first.release();
    second.growTo(bound);
    expect(budget.reserved).toBe(3 * bound);
  });

  test('forgets a key that holds nothing any more', () => {
    const budget = new ByteBudget(800, 10);
    const shares = [budget.requestShare('a-key'), budget.requestShare('a-key')];
    for (const share of shares) share.growTo(10);
    expect(budget.keys).toBe(1);
    for (const share of shares) share.release();
    expect(budget.keys).toBe(0);
  });

  test('takes back what a share holds, once', () => {
    const budget = new ByteBudget(100, 50);
    const [share, other] = [budget.answerShare(), budget.answerShare()];
    share.growTo(60);
    other.growTo(40);
    share.release();
    share.release();
    expect(budget.reserved).toBe(40);
    other.growTo(100);
    expect(budget.reserved).toBe(100);
  });

  test('holds what a share announced, however slowly it comes', () => {
    const budget = new ByteBudget(100, 50);
    const share = budget.answerShare();
    share.growTo(50);
    share.growTo(10);
    expect(budget.reserved).toBe(50);
  });

  test('gives a released share nothing any more', () => {
    const budget = new ByteBudget(100, 50);
    const share = budget.answerShare();
    share.release();
    share.growTo(50);
    expect(budget.reserved).toBe(0);
  });
});
