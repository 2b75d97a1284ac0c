/** One service as a process: started, watched, started again when it dies, drained. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceName } from '@gateway/protocol';
import { SettingsError, StartError } from '@gateway/runtime';
import { spawnTied, waitFor } from '@gateway/testing';
import { MEMORY_ENVIRONMENT, MEMORY_FLAGS } from '../../npm/memory-settings.mjs';

const READY_TIMEOUT_MS = 60_000;
const PROBE_TIMEOUT_MS = 1_000;
const DRAIN_TIMEOUT_MS = 45_000;
const RESTART_DELAY_MS = 500;
/** More than a service writes before it listens. */
const START_LOG_BYTES_MAX = 256 * 1024;
const LISTENS = /"port":(\d+),"msg":"operations server listens"/;

export interface ServiceProcessOptions {
  readonly service: ServiceName;
  readonly root: string;
  readonly logDirectory: string;
  /** 0 for any free port, another one at each start; read from the log, so it must hold info lines. */
  readonly operationsPort: number;
  readonly environment: Readonly<Record<string, string>>;
  /** Told of every start and every unexpected end. */
  readonly report: (line: string) => void;
}

export class ServiceProcess {
  readonly service: ServiceName;
  readonly logFile: string;
  readonly #options: ServiceProcessOptions;
  #child: ChildProcess;
  /** Where the log of the present process begins. */
  #logStart = 0;
  #port: number | undefined;
  #isStopping = false;
  #wasReady = false;
  /** Why the first process did not start, in its own words. */
  #refusal: Error | undefined;

  constructor(options: ServiceProcessOptions) {
    this.service = options.service;
    this.logFile = join(options.logDirectory, `${options.service}.log`);
    this.#options = options;
    this.#child = this.#spawn();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Known once the process is ready. */
  get operationsUrl(): string {
    return `http://127.0.0.1:${this.#port ?? this.#options.operationsPort}`;
  }

  /**
   * Resolves when `/readyz` says so. Rejects after a minute, when the signal aborts, and with a
   * `SettingsError` or a `StartError` when the process says why it cannot start.
   */
  async ready(signal?: AbortSignal): Promise<void> {
    const isDecided = () => signal?.aborted || this.#refusal !== undefined || this.#isReady();
    await waitFor(isDecided, {
      what: `${this.service} to be ready (see ${this.logFile})`,
      timeoutMs: READY_TIMEOUT_MS,
    });
    signal?.throwIfAborted();
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#wasReady = true;
  }

  /** Sends the signal and resolves once that process has ended; it is then started again. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** Drains the process and does not start it again; kills it when it does not end in time. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), DRAIN_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
  }

  #spawn(): ChildProcess {
    const { service, root, environment, operationsPort } = this.#options;
    const log = openSync(this.logFile, 'a');
    this.#logStart = fstatSync(log).size;
    this.#port = undefined;
    try {
      const main = join(root, `services/${service}/src/main.ts`);
      const child = spawnTied(process.execPath, [...MEMORY_FLAGS, main], {
        cwd: root,
        // As `npm start` and the image have it. With the cache the start takes half the CPU.
        env: {
          NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/node-compile-cache'),
          ...MEMORY_ENVIRONMENT,
          ...environment,
          GATEWAY_METRICS_PORT: String(operationsPort),
        },
        stdio: ['ignore', log, log],
      });
      child.once('exit', (code, signal) => void this.#ended(signal ?? `code ${code}`));
      return child;
    } finally {
      closeSync(log);
    }
  }

  async #ended(how: string): Promise<void> {
    if (this.#isStopping) return;
    if (!this.#wasReady) {
      // Without its log nobody knows why, so it is started again.
      this.#refusal = startRefusal(await this.#logOfStart().catch(() => ''));
    }
    if (this.#isStopping || this.#refusal !== undefined) return;
    this.#options.report(`${this.service} ended with ${how}, starting it again`);
    await sleep(RESTART_DELAY_MS);
    if (this.#isStopping) return;
    this.#child = this.#spawn();
    this.#options.report(`${this.service} started again, pid ${this.pid}`);
  }

  /** Where any port was asked for, asks the one that the process itself says it has. */
  async #isReady(): Promise<boolean> {
    this.#port ??= this.#options.operationsPort || portIn(await this.#logOfStart());
    if (this.#port === undefined) return false;
    try {
      const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
      return (await fetch(`${this.operationsUrl}/readyz`, { signal })).ok;
    } catch {
      return false;
    }
  }

  async #logOfStart(): Promise<string> {
    const file = await open(this.logFile);
    try {
      const buffer = Buffer.alloc(START_LOG_BYTES_MAX);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, this.#logStart);
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await file.close();
    }
  }
}

function portIn(log: string): number | undefined {
  const port = LISTENS.exec(log)?.[1];
  return port === undefined ? undefined : Number(port);
}

/** What a process that cannot start says at its end, as `runService` words it. */
function startRefusal(log: string): Error | undefined {
  const list = /^[a-z-]+ cannot start, settings are wrong:\n((?: {2}- .+\n)+)/m.exec(log)?.[1];
  if (list !== undefined) {
    return new SettingsError(
      list
        .trimEnd()
        .split('\n')
        .map((line) => line.slice('  - '.length)),
    );
  }
  const [, message] = /^[a-z-]+ cannot start: (.+)$/m.exec(log) ?? [];
  return message === undefined ? undefined : new StartError(message);
}
