import { expect, test } from 'vitest';
import { TurnEnd } from './turn-end.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('tasks come before the write, and so does what they hand on', async () => {
  const turnEnd = new TurnEnd();
  const done: string[] = [];
  turnEnd.writeOnce(() => done.push('write'));
  turnEnd.push(() => {
    done.push('task');
    queueMicrotask(() => done.push('handed on'));
  });
  expect(done).toEqual([]);
  await turn();
  expect(done).toEqual(['task', 'handed on', 'write']);
});

test('a task of a task waits for the next turn, and a write that it asks for does not', async () => {
  const turnEnd = new TurnEnd();
  const done: string[] = [];
  turnEnd.push(() => {
    turnEnd.writeOnce(() => done.push('write'));
    turnEnd.push(() => done.push('second task'));
  });
  await turn();
  expect(done).toEqual(['write']);
  await turn();
  expect(done).toEqual(['write', 'second task']);
});
