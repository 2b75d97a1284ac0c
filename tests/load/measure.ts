/** Puts one load on one system and says what it cost. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryRoot, startNodeProcess } from '@gateway/testing';
import type { TimeWindow } from './cpu-profile.ts';
import type { Load, LoadResult } from './load.ts';
import {
  cpuMicroseconds,
  cpuMicrosecondsByThread,
  machineCpuMicroseconds,
  residentBytes,
} from './process-accounts.ts';
import { type Run, unlessAborted, withDirectory } from './run.ts';
import type { PartName, RunningSystem } from './systems/system.ts';

const ANSWER_TIMEOUT_MS = 120_000;
const QUIET_WINDOW_MS = 250;
/** Two windows in which the system does no more than it does idle. */
const QUIET_WINDOWS = 2;
const QUIET_TOLERANCE_MICROSECONDS = 20_000;
const SETTLE_TIMEOUT_MS = 20_000;
const DRIVER = join(repositoryRoot, 'tests/load/driver-main.ts');

export type Parts = Readonly<Partial<Record<PartName, number>>>;

export interface Measurement {
  readonly load: LoadResult;
  /** Of every process, from the first request until all its work is done, the ledger's too. */
  readonly cpuMicroseconds: number;
  readonly cpuMicrosecondsByPart: Parts;
  /** Of a system that is one process; empty for others. Threads of one name count together. */
  readonly cpuMicrosecondsByThread: Readonly<Record<string, number>>;
  /** From the start of the driver until the work was done. */
  readonly window: TimeWindow;
  readonly upstreamCpuMicroseconds: number;
  /** Processors that were busy with something else, as a mean over the measurement. */
  readonly foreignProcessors: number;
  /** At the end of the load. */
  readonly residentBytesByPart: Parts;
  /** How long the system went on working behind the load. */
  readonly settledAfterMs: number;
  /** False when it still worked after 20 s. */
  readonly isSettled: boolean;
}

export interface MeasureOptions extends Run {
  readonly upstreamPid: number;
  /** Of all parts together, in microseconds of CPU for each second. */
  readonly idleMicrosecondsPerSecond: number;
}

export async function runDriver(load: Load, { directory, signal }: Run): Promise<LoadResult> {
  return withDirectory(directory, async (own) => {
    const file = join(own, 'load.json');
    writeFileSync(file, JSON.stringify(load));
    await using driver = startNodeProcess({ script: DRIVER, arguments: [file] });
    const result = driver.waitForLine(/^\{.*\}$/, load.durationMs + ANSWER_TIMEOUT_MS);
    const [line] = await unlessAborted(result, signal);
    return JSON.parse(line);
  });
}

export async function measure(
  system: RunningSystem,
  load: Load,
  { upstreamPid, idleMicrosecondsPerSecond, ...run }: MeasureOptions,
): Promise<Measurement> {
  const from = monotonicMicroseconds();
  const machineBefore = machineCpuMicroseconds();
  const ownBefore = process.cpuUsage();
  const startedAt = performance.now();
  const before = cpuByPart(system);
  const threadsBefore = cpuByThread(system);
  const upstreamBefore = cpuMicroseconds(upstreamPid);
  const result = await runDriver(load, run);
  const residentBytesByPart = residentByPart(system);
  const { afterMs, isSettled } = await settle(system, idleMicrosecondsPerSecond, run.signal);
  const after = cpuByPart(system);
  const used = mapParts(after, (name, value) => value - (before[name] ?? 0));
  const threads = Object.entries(cpuByThread(system)).map(
    ([name, value]) => [name, value - (threadsBefore[name] ?? 0)] as const,
  );
  const upstreamUsed = cpuMicroseconds(upstreamPid) - upstreamBefore;
  const own = process.cpuUsage(ownBefore);
  const measuring = result.driverCpuMicroseconds + upstreamUsed + own.user + own.system;
  const foreign = machineCpuMicroseconds() - machineBefore - measuring - sum(used);
  // While it settles the system does what it does idle, too; that belongs to no request.
  const idle = (idleMicrosecondsPerSecond * (afterMs + QUIET_WINDOW_MS * QUIET_WINDOWS)) / 1_000;
  return {
    load: result,
    cpuMicroseconds: Math.max(0, sum(used) - idle),
    cpuMicrosecondsByPart: used,
    cpuMicrosecondsByThread: Object.fromEntries(threads),
    window: { from, until: monotonicMicroseconds() },
    upstreamCpuMicroseconds: upstreamUsed,
    foreignProcessors: Math.max(0, foreign / ((performance.now() - startedAt) * 1_000)),
    residentBytesByPart,
    settledAfterMs: afterMs,
    isSettled,
  };
}

/** Of all parts once they are quiet, in microseconds of CPU for each second. */
export async function measureIdle(
  system: RunningSystem,
  windowMs: number,
  signal: AbortSignal,
): Promise<number> {
  await settle(system, 0, signal);
  const before = sum(cpuByPart(system));
  await sleep(windowMs, undefined, { signal });
  return ((sum(cpuByPart(system)) - before) * 1_000) / windowMs;
}

export function residentByPart({ parts }: RunningSystem): Parts {
  return mapParts(parts, (_, pid) => residentBytes(pid));
}

export function sum(parts: Parts): number {
  return Object.values(parts).reduce((total, value) => total + value, 0);
}

async function settle(
  system: RunningSystem,
  idleMicrosecondsPerSecond: number,
  signal: AbortSignal,
) {
  if (Object.keys(system.parts).length === 0) return { afterMs: 0, isSettled: true };
  const startedAt = performance.now();
  const idle = (idleMicrosecondsPerSecond * QUIET_WINDOW_MS) / 1_000;
  let quiet = 0;
  let last = sum(cpuByPart(system));
  while (quiet < QUIET_WINDOWS && performance.now() - startedAt < SETTLE_TIMEOUT_MS) {
    await sleep(QUIET_WINDOW_MS, undefined, { signal });
    const now = sum(cpuByPart(system));
    quiet = now - last <= idle + QUIET_TOLERANCE_MICROSECONDS ? quiet + 1 : 0;
    last = now;
  }
  const afterMs = performance.now() - startedAt - quiet * QUIET_WINDOW_MS;
  return { afterMs: Math.max(0, afterMs), isSettled: quiet >= QUIET_WINDOWS };
}

function cpuByPart({ parts }: RunningSystem): Parts {
  return mapParts(parts, (_, pid) => cpuMicroseconds(pid));
}

function cpuByThread({ parts }: RunningSystem): Readonly<Record<string, number>> {
  const [pid, ...others] = Object.values(parts);
  return pid === undefined || others.length > 0 ? {} : cpuMicrosecondsByThread(pid);
}

function monotonicMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

function mapParts(parts: Parts, change: (name: PartName, value: number) => number): Parts {
  const entries = Object.entries(parts) as [PartName, number][];
  return Object.fromEntries(entries.map(([name, value]) => [name, change(name, value)]));
}
