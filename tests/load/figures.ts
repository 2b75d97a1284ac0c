/** The medians of the rounds. */
import type { BenchResults, Round, Variant } from './bench.ts';
import type { Percentiles } from './load.ts';
import { type Measurement, type Parts, sum } from './measure.ts';
import { median } from './percentiles.ts';
import { STREAM_CHUNKS } from './scenarios.ts';
import type { PartName, SystemName } from './systems/system.ts';

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
}

export function figuresOf({ rounds }: BenchResults): Figures {
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
    ofRounds: (system, pick, variant = 'plain') => median(chosen(system, variant).map(pick)),
    added: (system, scenario, pick, variant) =>
      figure(system, scenario, pick, variant) - figure('direct', scenario, pick),
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

/** What a request costs in each process, in microseconds, the most first. */
export function cpuOfParts(
  { figure }: Figures,
  system: SystemName,
  scenario: string,
  names: readonly PartName[],
): readonly (readonly [name: PartName, microseconds: number])[] {
  return names
    .map((name) => {
      const pick = ({ cpuMicrosecondsByPart, load }: Measurement) =>
        (cpuMicrosecondsByPart[name] ?? Number.NaN) / load.requests;
      return [name, figure(system, scenario, pick)] as const;
    })
    .filter(([, microseconds]) => !Number.isNaN(microseconds))
    .sort(([, one], [, other]) => other - one);
}
