import { describe, expect, test } from 'vitest';
import { ByteBudget } from './byte-budget.ts';

describe('a byte budget', () => {
  test('gives out all of its bytes and not one more', () => {
    const budget = new ByteBudget(100);
    const share = budget.share();
    share.growTo(60);
    budget.share().growTo(40);
    expect(budget.reserved).toBe(100);
    expect(() => share.growTo(61)).toThrow(expect.objectContaining({ code: 'overloaded' }));
    expect(() => budget.share().growTo(1)).toThrow(expect.objectContaining({ code: 'overloaded' }));
    expect(budget.reserved).toBe(100);
  });

  test('takes back what a share holds, once', () => {
    const budget = new ByteBudget(100);
    const [share, other] = [budget.share(), budget.share()];
    share.growTo(60);
    other.growTo(40);
    share.release();
    share.release();
    expect(budget.reserved).toBe(40);
    other.growTo(100);
    expect(budget.reserved).toBe(100);
  });

  test('holds what a share announced, however slowly it comes', () => {
    const budget = new ByteBudget(100);
    const share = budget.share();
    share.growTo(50);
    share.growTo(10);
    expect(budget.reserved).toBe(50);
  });

  test('gives a released share nothing any more', () => {
    const budget = new ByteBudget(100);
    const share = budget.share();
    share.release();
    share.growTo(50);
    expect(budget.reserved).toBe(0);
  });
});
