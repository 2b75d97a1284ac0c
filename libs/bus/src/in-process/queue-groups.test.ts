import { describe, expect, test } from 'vitest';
import { QueueGroups } from './queue-groups.ts';

/** Three members of one group, and what each took. */
function threeMembers() {
  const groups = new QueueGroups<number>();
  const members = ['a', 'b', 'c'].map((name) => {
    const taken: number[] = [];
    const owner = { name };
    const take = (message: number) => void taken.push(message);
    const leave = groups.join('s', 'group', { owner, take });
    return { owner, taken, leave };
  });
  return { groups, members };
}

describe('QueueGroups', () => {
  test('gives messages to the members in turn', () => {
    const { groups, members } = threeMembers();
    for (let message = 0; message < 6; message += 1) groups.send('s', {}, message);
    expect(members.map(({ taken }) => taken)).toEqual([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
  });

  test('gives each message to one member of every group', () => {
    const { groups, members } = threeMembers();
    const other: number[] = [];
    const take = (message: number) => void other.push(message);
    groups.join('s', 'other', { owner: {}, take });
    groups.send('s', {}, 7);
    expect(members.flatMap(({ taken }) => taken)).toEqual([7]);
    expect(other).toEqual([7]);
  });

  test('never gives a message back to its sender', () => {
    const { groups, members } = threeMembers();
    const [sender, next, last] = members;
    for (let message = 0; message < 6; message += 1) groups.send('s', sender?.owner ?? {}, message);
    expect(sender?.taken).toEqual([]);
    next?.leave();
    last?.leave();
    expect(groups.send('s', sender?.owner ?? {}, 6)).toBe(false);
    expect(groups.send('s', {}, 7)).toBe(true);
  });

  test('says when nobody serves a subject', () => {
    const { groups, members } = threeMembers();
    expect(groups.send('another', {}, 1)).toBe(false);
    for (const { leave } of members) leave();
    expect(groups.send('s', {}, 1)).toBe(false);
  });
});
