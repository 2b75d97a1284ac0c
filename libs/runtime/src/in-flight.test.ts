import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { InFlight, InFlightMap } from './in-flight.ts';

setFlagsFromString('--expose-gc');
const collect: NodeJS.GCFunction = runInNewContext('gc');

/** Bytes by which the heap has grown, but for what a collection of the young generation frees. */
function grownBy(work: () => void): number {
  collect();
  const before = getHeapStatistics().used_heap_size;
  work();
  collect({ type: 'minor' });
  collect({ type: 'minor' });
  return getHeapStatistics().used_heap_size - before;
}

const MEMBERS = 4_000;
const MEMBER_BYTES_MIN = 8_000;
const newMember = () => ({ list: Array.from({ length: MEMBER_BYTES_MIN / 8 }, () => ({})) });

describe('InFlight', () => {
  test('has each member at a place of its own until it leaves', () => {
    const inFlight = new InFlight<{ name: string }>();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name })) as [never, never, never];
    const places = [a, b].map((member) => inFlight.add(member)) as [number, number];
    expect(new Set(places).size).toBe(2);
    inFlight.delete(places[0], a);
    expect([...inFlight]).toEqual([b]);
    expect(inFlight.at(places[0])).toBeUndefined();
    inFlight.add(c);
    expect(new Set(inFlight)).toEqual(new Set([b, c]));
    expect(inFlight.size).toBe(2);
  });

  test('does nothing for a member that has left, whoever has its place', () => {
    const inFlight = new InFlight<object>();
    const [first, second] = [{}, {}];
    const place = inFlight.add(first);
    inFlight.delete(place, first);
    inFlight.delete(place, first);
    expect(inFlight.add(second)).toBe(place);
    inFlight.delete(place, first);
    expect([...inFlight]).toEqual([second]);
    expect(inFlight.size).toBe(1);
  });

  test('may lose members while they are looked at', () => {
    const inFlight = new InFlight<{ place: number }>();
    const members = Array.from({ length: 3 }, () => ({ place: -1 }));
    for (const member of members) member.place = inFlight.add(member);
    const met: object[] = [];
    for (const member of inFlight) {
      met.push(member);
      for (const other of members) inFlight.delete(other.place, other);
    }
    expect(met).toEqual([members[0]]);
    expect(inFlight.size).toBe(0);
  });

  test('leaves nothing of what has left in the old generation', () => {
    const inFlight = new InFlight<object>();
    const grown = grownBy(() => {
      for (let count = 0; count < MEMBERS; count += 1) {
        const member = newMember();
        inFlight.delete(inFlight.add(member), member);
      }
    });
    expect(grown).toBeLessThan((MEMBERS * MEMBER_BYTES_MIN) / 10);
  });
});

describe('InFlightMap', () => {
  test('has one value for each key until it is deleted', () => {
    const map = new InFlightMap<string, object>();
    const [first, second, other] = [{ n: 1 }, { n: 2 }, { n: 3 }];
    map.set('a', first);
    map.set('b', other);
    map.set('a', second);
    expect(map.get('a')).toBe(second);
    expect(new Set(map.values())).toEqual(new Set([second, other]));
    expect([...map.keys()]).toEqual(['b', 'a']);
    expect(map.size).toBe(2);
    expect(map.delete('a')).toBe(true);
    expect(map.delete('a')).toBe(false);
    expect(map.has('a')).toBe(false);
    expect(map.get('a')).toBeUndefined();
    expect([...map.values()]).toEqual([other]);
  });

  test('leaves nothing of what was deleted in the old generation', () => {
    const map = new InFlightMap<string, object>();
    map.set('first', {});
    const grown = grownBy(() => {
      for (let count = 0; count < MEMBERS; count += 1) {
        map.set(`key ${count}`, newMember());
        map.delete(`key ${count}`);
      }
    });
    expect(grown).toBeLessThan((MEMBERS * MEMBER_BYTES_MIN) / 10);
  });
});
