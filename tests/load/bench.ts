/** Runs the rounds: each system in turn is started, warmed up, put under every load, and ended. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryRoot, startNodeProcess } from '@gateway/testing';
import {
  type Measurement,
  measure,
  measureIdle,
  type Parts,
  residentByPart,
  runDriver,
} from './measure.ts';
import { measureStarts, type Starts } from './measure-starts.ts';
import { type Run, withDirectory } from './run.ts';
import { loadOf, SCENARIOS, type Scenario, warmUpLoads } from './scenarios.ts';
import { type Chosen, scenariosOf, type Turn, turnsOf } from './schedule.ts';
import { startSystem } from './systems/start-system.ts';
import type { RunningSystem } from './systems/system.ts';

const UPSTREAM = join(repositoryRoot, 'tests/load/upstream-main.ts');
const IDLE_WAIT_MS = 1_000;
const IDLE_WINDOW_MS = 2_000;
/** With the client's, the administrator's and the one that is refused, all that a gateway takes. */
const KEYS = 100_000 - 3;

export interface BenchOptions extends Chosen {
  /** 1 for the durations that stand in the scenarios. */
  readonly timeFactor: number;
  /** Gets a CPU profile of every Node process of ours. */
  readonly profileDirectory?: string | undefined;
  readonly print: (text: string) => void;
}

/** What one turn gave. */
export interface Round extends Turn {
  readonly processes: Parts;
  readonly warmUpRequests: number;
  readonly idleMicrosecondsPerSecond: number;
  readonly idleBytesByPart: Parts;
  readonly measurements: Readonly<Record<string, Measurement>>;
  /** Why the turn ended early; what was measured until then counts. */
  readonly broke?: string;
}

export interface BenchResults {
  readonly rounds: readonly Round[];
  /** Requests in a second, which half of is the rate of one load. */
  readonly peerPeak: number;
  /** Undefined where they were not measured. */
  readonly starts: Starts | undefined;
}

interface Bench extends BenchOptions, Run {
  readonly upstreamPort: number;
  readonly upstreamPid: number;
  readonly collectorPort: number;
  readonly peerPeak: number;
}

export async function runBench(options: BenchOptions, run: Run): Promise<BenchResults> {
  await using upstream = startNodeProcess({ script: UPSTREAM });
  const [, port, collector] = await upstream.waitForLine(/^upstream (\d+) collector (\d+)$/);
  const started = {
    ...options,
    ...run,
    upstreamPort: Number(port),
    upstreamPid: upstream.pid,
    collectorPort: Number(collector),
  };
  const peerPeak = await calibrate({ ...started, peerPeak: 0 });
  const rounds: Round[] = [];
  for (const turn of turnsOf(options)) rounds.push(await take(turn, { ...started, peerPeak }));
  const isTimed = options.pieces.includes('start') && options.systems.includes('embedded');
  if (isTimed) options.print('second starts of the embedded gateway');
  const starts = isTimed ? await measureStarts(started.upstreamPort, run) : undefined;
  if (upstream.exit !== undefined) {
    throw new Error(`the upstream has ended:\n${upstream.lines.join('\n')}`);
  }
  return { rounds, peerPeak, starts };
}

/** The peak of the peer, which sets the rate at which tails are compared. */
async function calibrate(bench: Bench): Promise<number> {
  const scenario = SCENARIOS.find(({ name }) => name === 'plain-64');
  if (!bench.pieces.includes('plain') || scenario === undefined) return 0;
  bench.print('the peak of the peer');
  return withDirectory(bench.directory, async (directory) => {
    await using system = await startSystem('portkey', { ...bench, directory });
    await warmUp(system, [scenario], bench);
    return (await runDriver(loadOf(scenario, system, bench), bench)).requestsPerSecond;
  });
}

/** A system that breaks costs its turn and no more; an interruption ends everything. */
async function take(turn: Turn, bench: Bench): Promise<Round> {
  const { system, variant, round } = turn;
  const clock = new Date().toTimeString().slice(0, 8);
  const settings = variant === 'plain' ? '' : ` (${variant})`;
  bench.print(`${clock}  round ${round} of ${bench.rounds}: ${system}${settings}`);
  const measurements: Record<string, Measurement> = {};
  const result: { -readonly [Name in keyof Round]: Round[Name] } = {
    ...turn,
    processes: {},
    warmUpRequests: 0,
    idleMicrosecondsPerSecond: Number.NaN,
    idleBytesByPart: {},
    measurements,
  };
  try {
    await withDirectory(bench.directory, async (directory) => {
      await using running = await startSystem(system, {
        ...bench,
        directory: join(directory, system),
        ...settingsOf(turn, bench),
      });
      result.processes = running.parts;
      Object.assign(result, await runTurn(running, turn, bench, measurements));
    });
    return result;
  } catch (error) {
    if (bench.signal.aborted) throw bench.signal.reason;
    const broke = (error as Error).message;
    bench.print(`  BROKE: ${broke}`);
    return { ...result, broke };
  }
}

async function runTurn(
  system: RunningSystem,
  turn: Turn,
  bench: Bench,
  measurements: Record<string, Measurement>,
) {
  const { signal } = bench;
  await sleep(IDLE_WAIT_MS, undefined, { signal });
  const idleBytesByPart = residentByPart(system);
  const scenarios = scenariosOf(turn, bench, bench.peerPeak);
  const warmUpRequests = await warmUp(system, scenarios, bench);
  const idleMicrosecondsPerSecond = await measureIdle(system, IDLE_WINDOW_MS, signal);
  for (const scenario of scenarios) {
    const load = loadOf(scenario, system, bench);
    if (scenario.isPrimed) await runDriver({ ...load, connections: 1, requestsMax: 2 }, bench);
    const measurement = await measure(system, load, { ...bench, idleMicrosecondsPerSecond });
    measurements[scenario.name] = measurement;
    bench.print(progress(scenario, measurement));
  }
  return { idleBytesByPart, warmUpRequests, idleMicrosecondsPerSecond };
}

function settingsOf({ variant }: Turn, { collectorPort, profileDirectory }: Bench) {
  const profiling: Readonly<Record<string, string>> =
    profileDirectory === undefined
      ? {}
      : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDirectory}` };
  const tracing = (ratio: string) => ({
    environment: {
      ...profiling,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collectorPort}`,
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: ratio,
    },
  });
  switch (variant) {
    case 'plain':
      return { environment: profiling };
    case 'traced-1':
      return tracing('0.01');
    case 'traced-100':
      return tracing('1');
    case 'keys':
      return { keys: KEYS };
  }
}

/** Returns how many requests were answered. */
async function warmUp(system: RunningSystem, scenarios: readonly Scenario[], run: Run) {
  let requests = 0;
  for (const load of warmUpLoads(system, scenarios)) {
    requests += (await runDriver(load, run)).requests;
  }
  return requests;
}

function progress({ title }: Scenario, { load, cpuMicroseconds, isSettled }: Measurement): string {
  const { requests, failures, firstFailure, requestsPerSecond, latencyMs } = load;
  const cpu = requests === 0 ? Number.NaN : cpuMicroseconds / requests;
  return [
    `  ${title.padEnd(58)} ${requestsPerSecond.toFixed(0).padStart(6)}/s`,
    `${cpu.toFixed(0).padStart(6)} µs/request  p50 ${latencyMs.p50.toFixed(2)} ms`,
    `p99 ${latencyMs.p99.toFixed(2)} ms`,
    ...(failures > 0 ? [`${failures} FAILED (${firstFailure})`] : []),
    ...(isSettled ? [] : ['not settled']),
  ].join('  ');
}
