import { describe, expect, test } from 'vitest';
import { ByteBudget } from './byte-budget.ts';

describe('a byte budget', () => {
  test('gives out all of its bytes and not one more', () => {
    const budget = new ByteBudget(100);
    const share = budget.share('answer');
    share.growTo(60);
    budget.share('answer').growTo(40);
    expect(budget.reserved).toBe(100);
    expect(() => share.growTo(61)).toThrow(expect.objectContaining({ code: 'overloaded' }));
    expect(() => budget.share('answer').growTo(1)).toThrow(
      expect.objectContaining({ code: 'overloaded' }),
    );
    expect(budget.reserved).toBe(100);
  });

  test('gives requests half of what answers get', () => {
    const budget = new ByteBudget(100);
    const request = budget.share('request');
    request.growTo(30);
    budget.checkRoom(20);
    expect(() => budget.checkRoom(21)).toThrow(expect.objectContaining({ code: 'overloaded' }));
    expect(() => request.growTo(51)).toThrow(expect.objectContaining({ code: 'overloaded' }));
    request.growTo(50);
    const answer = budget.share('answer');
    answer.growTo(50);
    request.release();
    answer.growTo(60);
    const late = budget.share('request');
    expect(() => late.growTo(1)).toThrow(expect.objectContaining({ code: 'overloaded' }));
    // What is beyond a bound can still be given back.
    answer.release();
    expect(budget.reserved).toBe(0);
  });

  test('takes back what a share holds, once', () => {
    const budget = new ByteBudget(100);
    const [share, other] = [budget.share('answer'), budget.share('answer')];
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
    const share = budget.share('answer');
    share.growTo(50);
    share.growTo(10);
    expect(budget.reserved).toBe(50);
  });

  test('gives a released share nothing any more', () => {
    const budget = new ByteBudget(100);
    const share = budget.share('answer');
    share.release();
    share.growTo(50);
    expect(budget.reserved).toBe(0);
  });
});
