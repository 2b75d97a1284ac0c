import { readdirSync, readFileSync } from 'node:fs';

const PAUSE_TIMEOUT_MS = 2_000;

function allThreadsStopped(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => {
      const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
      // The state is the first field after the command in parentheses: stopped, or ended and not yet
      // taken note of by a parent that is stopped, too.
      return /^\) [TZX]/.test(stat.slice(stat.lastIndexOf(')')));
    });
  } catch {
    return true;
  }
}

/**
 * SIGSTOP, in effect on return. It takes effect a moment after `kill` returns, on each thread for
 * itself. Nothing happens to a process that has ended; throws when it does not pause within 2 s.
 */
export function pauseProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGSTOP');
  } catch {
    return;
  }
  const deadline = performance.now() + PAUSE_TIMEOUT_MS;
  while (!allThreadsStopped(pid)) {
    if (performance.now() > deadline) throw new Error(`process ${pid} does not pause`);
  }
}
