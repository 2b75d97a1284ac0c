/** A process whose output goes to a file, so that nobody's time is spent on reading it. */
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { spawnTied } from '@gateway/testing';

const READY_TIMEOUT_MS = 60_000;
const PROBE_INTERVAL_MS = 10;
const STOP_TIMEOUT_MS = 60_000;
const LOG_TAIL_CHARACTERS = 2_000;

export interface LoggedProcess extends AsyncDisposable {
  readonly pid: number;
  /** From the start of the process until the address answered with 2xx. */
  readonly readyAfterMs: number;
}

export interface LoggedProcessOptions {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly logFile: string;
  readonly readyUrl: string;
  /** Gives the start up. */
  readonly signal: AbortSignal;
}

/** Resolves once the address answers. Rejects with the end of the log when the process ends first. */
export async function startLoggedProcess(options: LoggedProcessOptions): Promise<LoggedProcess> {
  const log = openSync(options.logFile, 'a');
  const startedAt = performance.now();
  const child = spawnTied(options.command, options.arguments, {
    cwd: options.workingDirectory,
    env: { ...options.environment },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const ended = once(child, 'exit');
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  };
  while (!(await answers(options.readyUrl))) {
    if (options.signal.aborted) {
      await stop();
      throw options.signal.reason;
    }
    const hasEnded = child.exitCode !== null || child.signalCode !== null;
    if (hasEnded || performance.now() - startedAt > READY_TIMEOUT_MS) {
      await stop();
      const tail = readFileSync(options.logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS);
      throw new Error(`${options.arguments.join(' ')} does not get ready:\n${tail}`);
    }
    await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
  }
  const readyAfterMs = performance.now() - startedAt;
  return { pid: child.pid ?? 0, readyAfterMs, [Symbol.asyncDispose]: stop };
}

async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(READY_TIMEOUT_MS) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
