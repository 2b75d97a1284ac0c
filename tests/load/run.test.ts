import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InterruptedError, inRun, unlessAborted, withDirectory } from './run.ts';

/** Larger than any that Linux gives. */
const NO_PID = 2 ** 30;
let parent: string;

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'gateway-run-test-'));
});
afterEach(() => rmSync(parent, { recursive: true }));

test('a run leaves nothing behind, whatever comes of it', async () => {
  const write = ({ directory }: { directory: string }) =>
    withDirectory(directory, async (part) => writeFileSync(join(part, 'file'), 'text'));
  await inRun(write, parent);
  const failing = inRun(async (run) => {
    await write(run);
    throw new Error('no');
  }, parent);
  await expect(failing).rejects.toThrow('no');
  expect(readdirSync(parent)).toEqual([]);
});

test('a run removes what killed ones left, and nothing of living ones', async () => {
  const left = join(parent, `gateway-bench-${NO_PID}-abc`);
  const living = join(parent, `gateway-bench-${process.pid}-abc`);
  for (const directory of [left, living]) mkdirSync(join(directory, 'part'), { recursive: true });
  await inRun(async () => {}, parent);
  expect([existsSync(left), existsSync(living)]).toEqual([false, true]);
});

test('a signal ends what waits, and the run removes its directory', async () => {
  const running = inRun(async ({ signal }) => {
    process.kill(process.pid, 'SIGHUP');
    await unlessAborted(once(new EventTarget(), 'never'), signal);
  }, parent);
  await expect(running).rejects.toThrow(InterruptedError);
  expect(readdirSync(parent)).toEqual([]);
  expect(process.listenerCount('SIGHUP')).toBe(0);
});

test('what is not interrupted resolves or rejects as it does', async () => {
  const { signal } = new AbortController();
  expect(await unlessAborted(Promise.resolve(1), signal)).toBe(1);
  await expect(unlessAborted(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
  const aborted = AbortSignal.abort(new InterruptedError('now'));
  await expect(unlessAborted(new Promise(() => {}), aborted)).rejects.toThrow('now');
});
