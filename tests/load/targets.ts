/** What is to be reached, as ratios to the peer in the same run and as figures by themselves. */
import { cpuPerChunk, cpuPerRequest, type Figures, latency, requestsPerSecond } from './figures.ts';
import type { Starts } from './measure-starts.ts';
import { median } from './percentiles.ts';

import type { SystemName } from './systems/system.ts';

export interface Target {
  readonly title: string;
  readonly system: SystemName;
  readonly bound: number;
  readonly is: 'at most' | 'at least';
  readonly unit: string;
  readonly reached: number;
}

const BYTES_PER_MEGABYTE = 1_000_000;

type Compared = 'embedded' | 'stack' | 'stack-synced';

interface Ratio {
  readonly title: string;
  readonly is: Target['is'];
  readonly embedded: number;
  readonly stack: number;
  readonly of: (figures: Figures, system: SystemName) => number;
}

const RATIOS: readonly Ratio[] = [
  {
    title: 'CPU per plain request, 16 connections',
    is: 'at most',
    embedded: 0.35,
    stack: 0.75,
    of: ({ figure }, system) => figure(system, 'plain-16', cpuPerRequest),
  },
  {
    title: 'peak requests/s, 64 connections',
    is: 'at least',
    embedded: 3,
    stack: 1.8,
    of: ({ figure }, system) => figure(system, 'plain-64', requestsPerSecond),
  },
  {
    title: 'median added latency, one connection',
    is: 'at most',
    embedded: 0.5,
    stack: 2,
    of: ({ added }, system) => added(system, 'plain-1-open', latency('p50')),
  },
  {
    title: "p99 added latency at half of the peer's peak",
    is: 'at most',
    embedded: 0.5,
    stack: 1,
    of: ({ added }, system) => added(system, 'half-peak', latency('p99')),
  },
  {
    title: 'CPU per stream chunk',
    is: 'at most',
    embedded: 0.35,
    stack: 0.8,
    of: ({ figure }, system) => figure(system, 'stream-paced', cpuPerChunk),
  },
];

/** Ratios to the peer; the bound of the stack holds for its synced column, too. */
export function ratioTargets(figures: Figures): readonly Target[] {
  const systems: readonly Compared[] = ['embedded', 'stack', 'stack-synced'];
  return RATIOS.flatMap(({ title, is, of, ...bounds }) =>
    systems.map((system) => ({
      title,
      system,
      is,
      bound: system === 'embedded' ? bounds.embedded : bounds.stack,
      unit: '×',
      reached: of(figures, system) / of(figures, 'portkey'),
    })),
  );
}

export function absoluteTargets(figures: Figures, starts: Starts | undefined): readonly Target[] {
  const { figure, added } = figures;
  const keys = (system: SystemName) =>
    figure(system, 'plain-16', cpuPerRequest, 'keys') / figure(system, 'plain-16', cpuPerRequest);
  const target = (
    title: string,
    system: SystemName,
    reached: number,
    bound: number,
    unit: string,
  ): Target => ({ title, system, reached, bound, unit, is: 'at most' });
  return [
    ...(['embedded', 'stack'] as const).flatMap((system) => [
      target('cache hit, median', system, figure(system, 'cache-hit', latency('p50')), 1.2, 'ms'),
      target(
        'added by a prompt of 1 MiB, median',
        system,
        added(system, 'prompt-1024', latency('p50')),
        15,
        'ms',
      ),
      // 5 % is what rounds of the same settings differ by.
      target('CPU with many keys, to that with few', system, keys(system), 1.05, '×'),
    ]),
    target('second start', 'embedded', median(starts?.readyAfterMs ?? []), 1_500, 'ms'),
    target(
      'resident memory idle, second start',
      'embedded',
      median(starts?.idleBytes ?? []) / BYTES_PER_MEGABYTE,
      220,
      'MB',
    ),
  ];
}

/** Undefined where it was not measured. */
export function isReached({ is, reached, bound }: Target): boolean | undefined {
  if (!Number.isFinite(reached)) return undefined;
  return is === 'at most' ? reached <= bound : reached >= bound;
}
