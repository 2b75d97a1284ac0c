import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

type Report = { floodedMs: number; dropped: number };

function flood() {
  // The pipe of standard output is never read unless the test does.
  return fork(new URL('./flood-logs.ts', import.meta.url), {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    execArgv: [],
    timeout: 15_000,
    killSignal: 'SIGKILL',
  });
}

test('a reader that stops reading holds up neither the event loop nor the exit', {
  timeout: 20_000,
}, async () => {
  const child = flood();
  const exited = once(child, 'exit');
  const [report] = (await once(child, 'message')) as [Report];
  expect(report.floodedMs).toBeLessThan(5000);
  // 12 MB were written and 8 MB may wait.
  expect(report.dropped).toBeGreaterThan(1000);
  expect(report.dropped).toBeLessThan(4000);
  expect(await exited).toEqual([0, null]);
});

test('every line reaches a reader that takes its time, before the process exits', {
  timeout: 20_000,
}, async () => {
  const child = spawn(
    process.execPath,
    [fileURLToPath(new URL('./write-and-exit.ts', import.meta.url))],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 15_000,
      killSignal: 'SIGKILL',
    },
  );
  const exited = once(child, 'exit');
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk;
  const lines = text.trimEnd().split('\n');
  expect(lines).toHaveLength(1000);
  expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ line: 999 });
  expect(await exited).toEqual([0, null]);
});
