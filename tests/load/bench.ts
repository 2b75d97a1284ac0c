/** Runs the rounds: each system in turn is started, warmed up, put under every load, and ended. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
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
import { loadOf, type Piece, SCENARIOS, type Scenario, warmUpLoads } from './scenarios.ts';
import { startSystem } from './systems/start-system.ts';
import type { RunningSystem, SystemName } from './systems/system.ts';

const UPSTREAM = join(repositoryRoot, 'tests/load/upstream-main.ts');
const IDLE_WAIT_MS = 1_500;
const IDLE_WINDOW_MS = 2_000;
export const KEYS_OF_STACK = 100_000;
/** What fits into the 16 MiB that the embedded gateway's bucket of keys may have. */
export const KEYS_OF_EMBEDDED = 40_000;

export interface BenchOptions {
  readonly rounds: number;
  readonly systems: readonly SystemName[];
  readonly pieces: readonly Piece[];
  /** 1 for the durations that stand in the scenarios. */
  readonly timeFactor: number;
  /** Gets a CPU profile of every Node process of ours. */
  readonly profileDirectory?: string | undefined;
  readonly print: (text: string) => void;
}

/** One system in one round. */
export interface Round {
  readonly system: SystemName;
  /** Such as `traced-1`; `plain` for the settings that all loads are run with. */
  readonly variant: Variant;
  readonly round: number;
  readonly idleMicrosecondsPerSecond: number;
  readonly idleBytesByPart: Parts;
  readonly measurements: Readonly<Record<string, Measurement>>;
}

export type Variant = 'plain' | 'traced-1' | 'traced-100' | 'keys';

export interface BenchResults {
  readonly rounds: readonly Round[];
  /** Requests in a second, which half of is the rate of one load. */
  readonly peerPeak: number;
  /** Undefined where they were not measured. */
  readonly starts: Starts | undefined;
}

interface Bench extends BenchOptions {
  readonly upstreamPort: number;
  readonly upstreamPid: number;
  readonly collectorPort: number;
  readonly peerPeak: number;
}

/** Loads of the variants: enough to see a difference. */
const OF_VARIANTS = ['plain-16', 'plain-1-open'];

export async function runBench(options: BenchOptions): Promise<BenchResults> {
  await using upstream = startNodeProcess({ script: UPSTREAM });
  const [, port, collector] = await upstream.waitForLine(/^upstream (\d+) collector (\d+)$/);
  const started = {
    ...options,
    upstreamPort: Number(port),
    upstreamPid: upstream.pid,
    collectorPort: Number(collector),
  };
  const peerPeak = await calibrate({ ...started, peerPeak: 0 });
  const rounds = await runRounds({ ...started, peerPeak });
  const isTimed = options.pieces.includes('start') && options.systems.includes('embedded');
  if (isTimed) options.print('second starts of the embedded gateway');
  const starts = isTimed
    ? await withDirectory((directory) => measureStarts(started.upstreamPort, directory))
    : undefined;
  if (upstream.exit !== undefined) {
    throw new Error(`the upstream has ended:\n${upstream.lines.join('\n')}`);
  }
  return { rounds, peerPeak, starts };
}

async function runRounds(bench: Bench): Promise<readonly Round[]> {
  const rounds: Round[] = [];
  for (let round = 1; round <= bench.rounds; round += 1) {
    for (const system of bench.systems) {
      rounds.push(await runSystem(bench, { system, round, variant: 'plain' }));
      for (const variant of variantsOf(bench, system, round)) {
        rounds.push(await runSystem(bench, { system, round, variant }));
      }
    }
  }
  return rounds;
}

function variantsOf(bench: Bench, system: SystemName, round: number): readonly Variant[] {
  if (system !== 'embedded' && system !== 'stack') return [];
  // Two rounds tell as much of a difference as three, and each takes its time.
  const isTraced = bench.pieces.includes('tracing') && (round > 1 || bench.rounds === 1);
  return [
    ...(isTraced ? (['traced-1', 'traced-100'] as const) : []),
    // What so many keys cost does not depend on the round, and loading them takes long.
    ...(bench.pieces.includes('keys') && round === bench.rounds ? (['keys'] as const) : []),
  ];
}

/** The peak of the peer, which sets the rate at which tails are compared. */
async function calibrate(bench: Bench): Promise<number> {
  const scenario = SCENARIOS.find(({ name }) => name === 'plain-64');
  if (!bench.pieces.includes('plain') || scenario === undefined) return 0;
  bench.print('the peak of the peer');
  return withDirectory(async (directory) => {
    await using system = await startSystem('portkey', {
      upstreamPort: bench.upstreamPort,
      directory: join(directory, 'portkey'),
    });
    await warmUp(system);
    return (await runDriver(loadOf(scenario, system, bench))).requestsPerSecond;
  });
}

interface RoundOptions {
  readonly system: SystemName;
  readonly round: number;
  readonly variant: Variant;
}

async function runSystem(bench: Bench, { system: name, round, variant }: RoundOptions) {
  const label = variant === 'plain' ? name : `${name} (${variant})`;
  bench.print(`round ${round} of ${bench.rounds}: ${label}`);
  return withDirectory(async (directory): Promise<Round> => {
    await using system = await startSystem(name, {
      upstreamPort: bench.upstreamPort,
      directory: join(directory, name),
      ...variantSettings(bench, name, variant),
    });
    await sleep(IDLE_WAIT_MS);
    const idleBytesByPart = residentByPart(system);
    await warmUp(system);
    const idleMicrosecondsPerSecond = await measureIdle(system, IDLE_WINDOW_MS);
    const measurements: Record<string, Measurement> = {};
    for (const scenario of scenariosOf(bench, name, variant)) {
      const load = loadOf(scenario, system, bench);
      if (scenario.isPrimed) await runDriver({ ...load, connections: 1, requestsMax: 2 });
      const measurement = await measure(system, load, { ...bench, idleMicrosecondsPerSecond });
      measurements[scenario.name] = measurement;
      bench.print(progress(scenario, measurement));
    }
    return {
      system: name,
      variant,
      round,
      idleMicrosecondsPerSecond,
      idleBytesByPart,
      measurements,
    };
  });
}

function variantSettings(bench: Bench, system: SystemName, variant: Variant) {
  const { collectorPort, profileDirectory } = bench;
  const profiling =
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
      return { keys: system === 'embedded' ? KEYS_OF_EMBEDDED : KEYS_OF_STACK };
  }
}

function scenariosOf(
  { pieces, peerPeak }: Bench,
  system: SystemName,
  variant: Variant,
): readonly Scenario[] {
  if (variant !== 'plain') return SCENARIOS.filter(({ name }) => OF_VARIANTS.includes(name));
  return SCENARIOS.filter(
    ({ piece, systems, rate }) =>
      pieces.includes(piece) &&
      (systems?.includes(system) ?? true) &&
      // The synced column is about what acknowledgements cost.
      (system !== 'stack-synced' || piece === 'plain') &&
      (typeof rate !== 'string' || peerPeak > 0),
  );
}

async function warmUp(system: RunningSystem): Promise<void> {
  for (const load of warmUpLoads(system)) await runDriver(load);
}

async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'gateway-bench-'));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
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
