import { describe, expect, test } from 'vitest';
import { subjectMatches } from './subject-filter.ts';

describe('subjectMatches', () => {
  test.each([
    { filter: 'a.b', subject: 'a.b', matches: true },
    { filter: 'a.b', subject: 'a.c', matches: false },
    { filter: 'a.b', subject: 'a.b.c', matches: false },
    { filter: 'a.b.c', subject: 'a.b', matches: false },
    { filter: 'a.*', subject: 'a.b', matches: true },
    { filter: 'a.*', subject: 'a.b.c', matches: false },
    { filter: 'a.*.c', subject: 'a.b.c', matches: true },
    { filter: 'a.>', subject: 'a.b.c', matches: true },
    { filter: 'a.>', subject: 'a', matches: false },
  ])('$filter and $subject: $matches', ({ filter, subject, matches }) => {
    expect(subjectMatches(filter, subject)).toBe(matches);
  });
});
