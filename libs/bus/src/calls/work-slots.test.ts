import { expect, test } from 'vitest';
import { WorkSlots } from './work-slots.ts';

function held() {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { task: () => promise, release: resolve };
}

test('runs concurrencyMax tasks, queues as many, and refuses one more', async () => {
  const slots = new WorkSlots({ concurrencyMax: 2 });
  const tasks = Array.from({ length: 5 }, held);
  expect(tasks.map(({ task }) => slots.run(task))).toEqual([true, true, true, true, false]);
  expect(slots.isFull).toBe(true);
  tasks[0]?.release();
  await new Promise((resolve) => setImmediate(resolve));
  expect(slots.isFull).toBe(false);
});

test('is idle when nothing runs and nothing waits', async () => {
  const slots = new WorkSlots({ concurrencyMax: 1 });
  await slots.idle();
  const [first, second] = [held(), held()];
  slots.run(first.task);
  slots.run(second.task);
  let idle = false;
  const waiting = slots.idle().then(() => {
    idle = true;
  });
  first.release();
  await new Promise((resolve) => setImmediate(resolve));
  expect(idle).toBe(false);
  second.release();
  await waiting;
  expect(idle).toBe(true);
});
