import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { spawnTied, type UserIdentity } from '../die-with-parent.ts';
import { pauseProcess } from '../pause-process.ts';
import { WaitTimeoutError, waitFor } from '../wait-for.ts';
import { freeLoopbackPort } from './loopback-port.ts';

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;
const LOG_TAIL_BYTES = 4_096;
const PORT_ATTEMPTS_MAX = 3;

export interface ServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A server that runs as a child process on a loopback port. */
export interface RunningServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** The pid of the present process; another one after `restart()`. */
  readonly pid: number;
  readonly dataDirectory: string;
  readonly logFile: string;
  /** Ends cleanly; removes the data directory when it is a temporary one. May be repeated. */
  stop(): Promise<void>;
  /** SIGKILL to the server and its children; the data stays for `restart()`. */
  kill(): Promise<void>;
  /** SIGSTOP, in effect on return: connections stay open and nothing answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  /** Starts again on the same port and data directory, after a clean stop if still running. */
  restart(): Promise<void>;
  /** Settles when the present process has ended. */
  waitExit(): Promise<ServerExit>;
}

/** What a kind of server has to say to be run. */
export interface ServerLaunch {
  readonly name: string;
  readonly url: string;
  readonly port: number;
  readonly command: string;
  readonly commandArguments: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly directory: string;
  readonly dataDirectory: string;
  readonly removeDirectory: boolean;
  readonly logFile: string;
  readonly stopSignal: NodeJS.Signals;
  readonly runAs?: UserIdentity;
  /** Whether the process with this pid answers. May throw: not yet. */
  isReady(pid: number): Promise<boolean>;
}

/** The server ended or stayed silent at the start. The message holds the end of its log. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
}

async function logTail(logFile: string): Promise<string> {
  const file = await open(logFile, 'r').catch(() => undefined);
  if (file === undefined) return '(no log)';
  try {
    const { size } = await file.stat();
    const length = Math.min(size, LOG_TAIL_BYTES);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8').trim();
  } finally {
    await file.close();
  }
}

/** PostgreSQL serves from child processes with sessions of their own, so a group is not enough. */
function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return text.split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch {
    return false;
  }
}

/** One run of the process, from spawn to exit. */
class Run {
  readonly child: ChildProcess;
  readonly exit: Promise<ServerExit>;
  ended: ServerExit | undefined;

  constructor(launch: ServerLaunch) {
    const log = openSync(launch.logFile, 'a');
    try {
      this.child = spawnTied(launch.command, launch.commandArguments, {
        cwd: launch.directory,
        env: { ...launch.environment },
        stdio: ['ignore', log, log],
        ...(launch.runAs && { runAs: launch.runAs }),
      });
    } finally {
      closeSync(log);
    }
    this.exit = new Promise((resolve) => {
      const end = (code: number | null, name: NodeJS.Signals | null) => {
        this.ended = { code, signal: name };
        resolve(this.ended);
      };
      this.child.once('exit', end);
      this.child.once('error', () => end(null, null));
    });
    // A forgotten server must not keep a test process alive; it dies with it.
    this.child.unref();
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  async endedWithin(timeoutMs: number): Promise<boolean> {
    const abort = new AbortController();
    const timeout = delay(timeoutMs, undefined, { signal: abort.signal }).catch(() => undefined);
    await Promise.race([this.exit, timeout]);
    abort.abort();
    return this.ended !== undefined;
  }

  async kill(): Promise<void> {
    if (this.ended !== undefined) return;
    const children = childrenOf(this.pid);
    signal(this.pid, 'SIGKILL');
    for (const child of children) signal(child, 'SIGKILL');
    await this.endedWithin(STOP_TIMEOUT_MS);
    await waitFor(() => children.every((child) => !signal(child, 0)), {
      what: `the children of process ${this.pid} to end`,
    });
  }

  async stop(stopSignal: NodeJS.Signals): Promise<void> {
    if (this.ended !== undefined) return;
    this.resume();
    signal(this.pid, stopSignal);
    if (!(await this.endedWithin(STOP_TIMEOUT_MS))) await this.kill();
  }

  pause(): void {
    pauseProcess(this.pid);
    for (const child of childrenOf(this.pid)) pauseProcess(child);
  }

  resume(): void {
    for (const child of childrenOf(this.pid)) signal(child, 'SIGCONT');
    signal(this.pid, 'SIGCONT');
  }
}

async function untilReady(launch: ServerLaunch, run: Run): Promise<void> {
  const fail = async (reason: string, cause?: unknown) =>
    new ServerStartError(
      `${launch.name} ${reason} (${launch.command}). End of its log:\n` +
        (await logTail(launch.logFile)),
      { cause },
    );
  let ready = false;
  const settled = async () => {
    if (run.ended !== undefined) return true;
    ready = await launch.isReady(run.pid);
    return ready;
  };
  try {
    await waitFor(settled, { what: `${launch.name} to be ready`, timeoutMs: READY_TIMEOUT_MS });
  } catch (error) {
    await run.kill();
    if (error instanceof WaitTimeoutError) throw await fail('did not become ready', error);
    throw error;
  }
  if (ready && run.ended === undefined) return;
  const { code, signal: name } = await run.exit;
  throw await fail(`ended at the start with ${name ?? `code ${code}`}`);
}

/** Starts the process and waits until it is ready; at most 30 s. */
export async function startServerProcess(launch: ServerLaunch): Promise<RunningServer> {
  let run = new Run(launch);
  await untilReady(launch, run);
  const stop = async () => {
    await run.stop(launch.stopSignal);
    if (launch.removeDirectory) await rm(launch.directory, { recursive: true, force: true });
  };
  return {
    url: launch.url,
    port: launch.port,
    dataDirectory: launch.dataDirectory,
    logFile: launch.logFile,
    get pid() {
      return run.pid;
    },
    stop,
    kill: () => run.kill(),
    pause: () => run.pause(),
    resume: () => run.resume(),
    restart: async () => {
      await run.stop(launch.stopSignal);
      run = new Run(launch);
      await untilReady(launch, run);
    },
    waitExit: () => run.exit,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * Runs `start` with the wanted port, or with a free one. Another process may take a free port
 * before the server does, so a failed start is tried on another one, three times at most.
 */
export async function onPort<T>(
  wanted: number | undefined,
  start: (port: number) => Promise<T>,
): Promise<T> {
  if (wanted !== undefined) return start(wanted);
  for (let attempt = 1; ; attempt += 1) {
    const port = await freeLoopbackPort();
    try {
      return await start(port);
    } catch (error) {
      const portTaken =
        error instanceof ServerStartError && /address already in use/i.test(error.message);
      if (!portTaken || attempt === PORT_ATTEMPTS_MAX) throw error;
    }
  }
}
