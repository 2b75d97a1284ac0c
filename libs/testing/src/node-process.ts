import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { inheritedEnvironment } from './config.ts';
import { spawnTied } from './die-with-parent.ts';
import { isObject, type JsonObject } from './json-value.ts';
import { pauseProcess } from './pause-process.ts';
import { repositoryRoot } from './repository-root.ts';
import { waitFor } from './wait-for.ts';

/** As `npm start` has it: a start of a service takes half the CPU, and tests start hundreds. */
const NODE_COMPILE_CACHE = join(repositoryRoot, 'node_modules/.cache/node-compile-cache');
const BASE_ENVIRONMENT = { ...inheritedEnvironment(), NODE_COMPILE_CACHE };
const LINES_MAX = 10_000;
const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;
const PROBE_TIMEOUT_MS = 2_000;
const LINES_OF_ERROR = 20;

export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface NodeProcessOptions {
  /** The file that Node runs. */
  readonly script: string;
  readonly arguments?: readonly string[];
  /** All that the process gets besides PATH, HOME, TMPDIR, LANG and TZ. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly workingDirectory?: string;
  /** Flags of Node itself. */
  readonly nodeArguments?: readonly string[];
}

export interface NodeProcess extends AsyncDisposable {
  readonly pid: number;
  /** Lines of both outputs in the order of their arrival, the newest 10,000. */
  readonly lines: readonly string[];
  /** Those lines that are JSON objects: the log. */
  readonly records: readonly JsonObject[];
  readonly exit: ProcessExit | undefined;
  /** The first line, past ones too, that matches; default at most 30 s. */
  waitForLine(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  /** Until the URL answers with 2xx; default at most 30 s. Rejects when the process ends first. */
  waitForHttp(url: string, timeoutMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** SIGSTOP, in effect on return: connections stay open and nothing answers. */
  pause(): void;
  /** SIGCONT. */
  resume(): void;
  waitExit(timeoutMs?: number): Promise<ProcessExit>;
  /** SIGTERM, and SIGKILL after 15 s. */
  stop(): Promise<ProcessExit>;
}

/** The process ended before it did what was awaited. The message holds its last lines. */
export class ProcessEndedError extends Error {
  override readonly name = 'ProcessEndedError';
}

function parseRecord(line: string): JsonObject | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Collects the lines of the outputs; resolves when all of them have ended. */
function collect(outputs: readonly (Readable | null)[]) {
  const lines: string[] = [];
  const records: JsonObject[] = [];
  for (const output of outputs) {
    if (output === null) continue;
    createInterface({ input: output, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
      lines.push(line);
      if (lines.length > LINES_MAX) lines.shift();
      const record = parseRecord(line);
      if (record === undefined) return;
      records.push(record);
      if (records.length > LINES_MAX) records.shift();
    });
  }
  return { lines, records };
}

async function answersOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
  await response.body?.cancel();
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return true;
}

/** Runs a script with this process' own Node. It dies with this process. */
export function startNodeProcess(options: NodeProcessOptions): NodeProcess {
  const child = spawnTied(
    process.execPath,
    [...(options.nodeArguments ?? []), options.script, ...(options.arguments ?? [])],
    {
      cwd: options.workingDirectory,
      env: { ...BASE_ENVIRONMENT, ...options.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const { lines, records } = collect([child.stdout, child.stderr]);
  let exit: ProcessExit | undefined;
  // `close` comes after the last output, unlike `exit`.
  const closed = new Promise<ProcessExit>((resolve) => {
    child.once('error', (error) => lines.push(error.message));
    child.once('close', (code, signal) => {
      exit = { code, signal };
      resolve(exit);
    });
  });

  const until = async <T>(what: string, timeoutMs: number, condition: () => T | Promise<T>) => {
    const value = await waitFor<{ value: T } | 'ended' | undefined>(
      async () => {
        const got = exit === undefined ? await condition() : undefined;
        if (got) return { value: got };
        return exit === undefined ? undefined : 'ended';
      },
      { what, timeoutMs },
    );
    if (value !== 'ended') return value.value;
    const last = lines.slice(-LINES_OF_ERROR).join('\n');
    throw new ProcessEndedError(
      `${options.script} ended (${exit?.signal ?? exit?.code}) before ${what}:\n${last}`,
    );
  };
  const findLine = (pattern: RegExp) => {
    for (const line of lines) {
      const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(line);
      if (match !== null) return match;
    }
    return undefined;
  };
  const waitExit = async (timeoutMs = STOP_TIMEOUT_MS) => {
    await waitFor(() => exit !== undefined, { what: `${options.script} to end`, timeoutMs });
    return closed;
  };
  const stop = async () => {
    child.kill('SIGTERM');
    child.kill('SIGCONT');
    const force = new AbortController();
    const timer = delay(STOP_TIMEOUT_MS, undefined, { signal: force.signal });
    await Promise.race([closed, timer.catch(() => undefined)]);
    force.abort();
    if (exit === undefined) child.kill('SIGKILL');
    return closed;
  };
  return {
    pid: child.pid ?? 0,
    lines,
    records,
    get exit() {
      return exit;
    },
    waitForLine: async (pattern, timeoutMs = READY_TIMEOUT_MS) => {
      // A line that was its last one counts too.
      const found = () => findLine(pattern);
      const match = await until(`a line like ${pattern}`, timeoutMs, found).catch((error) => {
        const late = found();
        if (late === undefined) throw error;
        return late;
      });
      return match as RegExpExecArray;
    },
    waitForHttp: async (url, timeoutMs = READY_TIMEOUT_MS) => {
      await until(`${url} to answer`, timeoutMs, () => answersOk(url));
    },
    kill: (signal) => void child.kill(signal),
    pause: () => {
      if (exit === undefined && child.pid !== undefined) pauseProcess(child.pid);
    },
    resume: () => void child.kill('SIGCONT'),
    waitExit,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}
