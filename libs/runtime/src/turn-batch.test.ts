import { expect, test } from 'vitest';
import { TurnBatch } from './turn-batch.ts';

const ITEMS_MAX = 3;

function openBatch(answer: (items: readonly string[]) => Promise<readonly string[]>) {
  const calls: string[][] = [];
  const batch = new TurnBatch<string, string>(ITEMS_MAX, (items) => {
    calls.push([...items]);
    return answer(items);
  });
  return { calls, batch };
}

const inCapitals = async (items: readonly string[]) => items.map((item) => item.toUpperCase());

test('asks what one turn brought in one call, also behind promises', async () => {
  const { calls, batch } = openBatch(inCapitals);
  const later = Promise.resolve().then(() => batch.ask('b'));
  expect(await Promise.all([batch.ask('a'), later])).toEqual(['A', 'B']);
  expect(await batch.ask('c')).toBe('C');
  expect(calls).toEqual([['a', 'b'], ['c']]);
});

test('asks as many as the bound in one call and one more in the next', async () => {
  const { calls, batch } = openBatch(inCapitals);
  const items = ['a', 'b', 'c', 'd'];
  expect(await Promise.all(items.map((item) => batch.ask(item)))).toEqual(['A', 'B', 'C', 'D']);
  expect(calls).toEqual([['a', 'b', 'c'], ['d']]);
});

test('fails for each that was asked when the call fails, and goes on', async () => {
  let fails = true;
  const { batch } = openBatch(async (items) => {
    if (fails) throw new Error('away');
    return items;
  });
  const asked = ['a', 'b'].map((item) => batch.ask(item));
  for (const each of asked) await expect(each).rejects.toThrow('away');
  fails = false;
  expect(await batch.ask('c')).toBe('c');
});
