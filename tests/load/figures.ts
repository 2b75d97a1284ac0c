/** The medians of the rounds. */
import type { BenchResults, Round } from './bench.ts';
import type { Percentiles } from './load.ts';
import { type Measurement, type Parts, sum } from './measure.ts';
import { median } from './percentiles.ts';
import { STREAM_CHUNKS } from './scenarios.ts';
import type { Variant } from './schedule.ts';
import type { SystemName } from './systems/system.ts';

export interface Figures {
  has(system: SystemName): boolean;
  /** NaN where it was not measured. */
  figure(
    system: SystemName,
    scenario: string,
    pick: (measurement: Measurement) => number,
    variant?: Variant,
  ): number;
  ofRounds(system: SystemName, pick: (round: Round) => number, variant?: Variant): number;
  /** Above what the same load has on the upstream itself. */
  added(
    system: SystemName,
    scenario: string,
    pick: (measurement: Measurement) => number,
    variant?: Variant,
  ): number;
  /** From the plain settings to the variant, in the rounds that have both. */
  changed(
    system: SystemName,
    scenario: string,
    pick: (measurement: Measurement) => number,
    variant: Variant,
  ): { readonly from: number; readonly to: number };
}

export function figuresOf({ rounds }: Pick<BenchResults, 'rounds'>): Figures {
  const chosen = (system: SystemName, variant: Variant) =>
    rounds.filter((round) => round.system === system && round.variant === variant);
  const figure: Figures['figure'] = (system, scenario, pick, variant = 'plain') => {
    const found = chosen(system, variant).flatMap(({ measurements }) => {
      const measurement = measurements[scenario];
      return measurement === undefined || measurement.load.requests === 0 ? [] : [measurement];
    });
    return median(found.map(pick));
  };
  return {
    has: (system) => chosen(system, 'plain').length > 0,
    figure,
    ofRounds: (system, pick, variant = 'plain') =>
      median(
        chosen(system, variant)
          .map(pick)
          .filter((value) => !Number.isNaN(value)),
      ),
    added: (system, scenario, pick, variant) =>
      figure(system, scenario, pick, variant) - figure('direct', scenario, pick),
    changed: (system, scenario, pick, variant) => {
      const rounds = chosen(system, variant).map(({ round }) => round);
      const isOfBoth = (one: Round) => rounds.includes(one.round);
      const from = chosen(system, 'plain').filter(isOfBoth);
      const both = figuresOf({ rounds: [...from, ...chosen(system, variant)] });
      return {
        from: both.figure(system, scenario, pick),
        to: both.figure(system, scenario, pick, variant),
      };
    },
  };
}

/** NaN where there is no gateway. */
export const cpuPerRequest = ({ cpuMicroseconds, cpuMicrosecondsByPart, load }: Measurement) =>
  Object.keys(cpuMicrosecondsByPart).length === 0 ? Number.NaN : cpuMicroseconds / load.requests;
export const cpuPerChunk = (measurement: Measurement) => cpuPerRequest(measurement) / STREAM_CHUNKS;
export const requestsPerSecond = ({ load }: Measurement) => load.requestsPerSecond;
export const latency = (which: keyof Percentiles) => (measurement: Measurement) =>
  measurement.load.latencyMs[which];
export const firstChunk = (which: keyof Percentiles) => (measurement: Measurement) =>
  measurement.load.firstChunkMs[which];
export const chunkDelay = (which: keyof Percentiles) => (measurement: Measurement) =>
  measurement.load.chunkDelayMs[which];

const BYTES_PER_MEBIBYTE = 1024 ** 2;

export function mebibytes(parts: Parts): number {
  return sum(parts) / BYTES_PER_MEBIBYTE;
}

/** What a request costs in each process of a system, or each thread, in microseconds, the most first. */
export function cpuOfEach(
  { rounds }: Pick<BenchResults, 'rounds'>,
  system: SystemName,
  scenario: string,
  of: 'cpuMicrosecondsByPart' | 'cpuMicrosecondsByThread',
): ReadonlyMap<string, number> {
  const measurements = rounds
    .filter((round) => round.system === system && round.variant === 'plain')
    .flatMap((round) => round.measurements[scenario] ?? [])
    .filter(({ load }) => load.requests > 0);
  const names = new Set(measurements.flatMap((one) => Object.keys(one[of])));
  const each = [...names].map((name) => {
    const times = measurements.map((one) => {
      const used: Readonly<Record<string, number>> = one[of];
      return (used[name] ?? 0) / one.load.requests;
    });
    return [name, median(times)] as const;
  });
  return new Map(each.sort(([, one], [, other]) => other - one));
}
