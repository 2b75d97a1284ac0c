/** A run of a benchmark: a directory for all that it writes, and an end in order when interrupted. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Followed by the process that the directory belongs to. */
const DIRECTORY_PREFIX = 'gateway-bench-';

export interface Run {
  readonly directory: string;
  /** Aborted when somebody wants the run to end. */
  readonly signal: AbortSignal;
}

/** Somebody ended the run before it was through. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/**
 * Does the work, and removes the directory whatever comes of it; a second signal ends the process at
 * once. Directories of runs that were killed are removed by the next one.
 */
export async function inRun<T>(work: (run: Run) => Promise<T>, parent = tmpdir()): Promise<T> {
  removeLeftOver(parent);
  const directory = mkdtempSync(join(parent, `${DIRECTORY_PREFIX}${process.pid}-`));
  const controller = new AbortController();
  const interrupt = (signal: string) => controller.abort(new InterruptedError(`got ${signal}`));
  for (const signal of SIGNALS) process.once(signal, interrupt);
  try {
    return await work({ directory, signal: controller.signal });
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
    rmSync(directory, { recursive: true, force: true });
  }
}

function removeLeftOver(parent: string): void {
  for (const name of readdirSync(parent)) {
    if (!name.startsWith(DIRECTORY_PREFIX)) continue;
    const pid = Number.parseInt(name.slice(DIRECTORY_PREFIX.length), 10);
    if (Number.isNaN(pid) || existsSync(`/proc/${pid}`)) continue;
    rmSync(join(parent, name), { recursive: true, force: true });
  }
}

/** Rejects as soon as the signal is aborted; the work goes on, and nobody learns how it ends. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Does the work with a directory of its own, which is then removed. */
export async function withDirectory<T>(
  parent: string,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(parent, 'part-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
