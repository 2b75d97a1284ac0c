/** Random numbers that follow from a seed alone: the same seed gives the same run. */
import { createHash } from 'node:crypto';

const UINT32_RANGE = 2 ** 32;

export interface Random {
  /** From 0 to below 1. */
  next(): number;
  /** A whole number of the range, both ends included. */
  integer(from: number, to: number): number;
  chance(probability: number): boolean;
  /** Throws on an empty list. */
  pick<T>(items: readonly T[]): T;
  /** An item by its weight; weights need not add up to anything. */
  weighted<T>(items: readonly (readonly [weight: number, item: T])[]): T;
  /** Milliseconds between events that come at random with the given mean. */
  exponential(mean: number): number;
}

/** A sequence of its own for each list of names, by the sfc32 generator of Chris Doty-Humphrey. */
export function seededRandom(...names: readonly (string | number)[]): Random {
  const digest = createHash('sha256').update(JSON.stringify(names)).digest();
  let [a, b, c, counter] = [0, 4, 8, 12].map((offset) => digest.readInt32LE(offset)) as [
    number,
    number,
    number,
    number,
  ];
  const next = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / UINT32_RANGE;
  };
  const integer = (from: number, to: number) => from + Math.floor(next() * (to - from + 1));
  return {
    next,
    integer,
    chance: (probability) => next() < probability,
    pick: (items) => {
      if (items.length === 0) throw new Error('There is nothing to pick from.');
      return items[integer(0, items.length - 1)] as (typeof items)[number];
    },
    weighted: (items) => {
      const total = items.reduce((sum, [weight]) => sum + weight, 0);
      let left = next() * total;
      for (const [weight, item] of items) {
        left -= weight;
        if (left < 0) return item;
      }
      throw new Error('There is no weight to go by.');
    },
    exponential: (mean) => -Math.log(1 - next()) * mean,
  };
}
