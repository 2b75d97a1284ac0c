/** What is to be reached, as ratios to the peer in the same run and as figures by themselves. */
import { cpuPerChunk, cpuPerRequest, type Figures, latency, requestsPerSecond } from './figures.ts';
import type { Starts } from './measure-starts.ts';
import { median } from './percentiles.ts';
import type { SystemName } from './systems/system.ts';

export interface Target {
  readonly title: string;
  readonly system: SystemName;
  readonly is: 'at most' | 'at least';
  readonly bound: number;
  /** Of the bound, and of what is held against it. */
  readonly boundUnit: string;
  readonly reached: number;
  /** What was measured, and of the peer where the bound is a ratio to it. */
  readonly measured: number;
  readonly peer: number;
  readonly unit: string;
}

const BYTES_PER_MEGABYTE = 1_000_000;
/** Rounds with the same settings differ by as much. */
const NOT_MEASURABLE = 1.05;

type Compared = 'embedded' | 'stack' | 'stack-synced';

interface Ratio {
  readonly title: string;
  readonly is: Target['is'];
  readonly embedded: number;
  readonly stack: number;
  readonly unit: string;
  readonly of: (figures: Figures, system: SystemName) => number;
}

const RATIOS: readonly Ratio[] = [
  {
    title: 'CPU per plain request, 16 connections',
    is: 'at most',
    embedded: 0.35,
    stack: 0.75,
    unit: 'µs',
    of: ({ figure }, system) => figure(system, 'plain-16', cpuPerRequest),
  },
  {
    title: 'peak, 64 connections',
    is: 'at least',
    embedded: 3,
    stack: 1.8,
    unit: '/s',
    of: ({ figure }, system) => figure(system, 'plain-64', requestsPerSecond),
  },
  {
    title: 'median added latency, one connection',
    is: 'at most',
    embedded: 0.5,
    stack: 2,
    unit: 'ms',
    of: ({ added }, system) => added(system, 'plain-1-open', latency('p50')),
  },
  {
    title: "p99 added latency at half of the peer's peak",
    is: 'at most',
    embedded: 0.5,
    stack: 1,
    unit: 'ms',
    of: ({ added }, system) => added(system, 'half-peak', latency('p99')),
  },
  {
    title: 'CPU per stream chunk',
    is: 'at most',
    embedded: 0.35,
    stack: 0.8,
    unit: 'µs',
    of: ({ figure }, system) => figure(system, 'stream-paced', cpuPerChunk),
  },
];

/** Ratios to the peer; the bound of the stack holds for its synced column, too. */
export function ratioTargets(figures: Figures): readonly Target[] {
  const systems: readonly Compared[] = ['embedded', 'stack', 'stack-synced'];
  return RATIOS.flatMap(({ title, is, unit, of, ...bounds }) =>
    systems.map((system) => {
      const [measured, peer] = [of(figures, system), of(figures, 'portkey')];
      const bound = system === 'embedded' ? bounds.embedded : bounds.stack;
      const reached = measured / peer;
      return { title, system, is, bound, boundUnit: '×', reached, measured, peer, unit };
    }),
  );
}

export function absoluteTargets(figures: Figures, starts: Starts | undefined): readonly Target[] {
  const { figure, added } = figures;
  const atMost = (
    title: string,
    system: SystemName,
    measured: number,
    bound: number,
    unit: string,
  ): Target => {
    const is = 'at most';
    const boundUnit = unit;
    return { title, system, is, bound, boundUnit, reached: measured, measured, peer: NaN, unit };
  };
  const { readyAfterMs = [], idleBytes = [] } = starts ?? {};
  return [
    ...(['embedded', 'stack'] as const).flatMap((system) => [
      atMost('cache hit, median', system, figure(system, 'cache-hit', latency('p50')), 1.2, 'ms'),
      atMost(
        'added by a prompt of 1 MiB, median',
        system,
        added(system, 'prompt-1024', latency('p50')),
        15,
        'ms',
      ),
      manyKeysTarget(figures, system),
    ]),
    atMost('second start', 'embedded', median(readyAfterMs), 1_500, 'ms'),
    atMost(
      'resident memory idle, second start',
      'embedded',
      median(idleBytes) / BYTES_PER_MEGABYTE,
      220,
      'MB',
    ),
  ];
}

function manyKeysTarget({ changed }: Figures, system: SystemName): Target {
  const { from, to } = changed(system, 'plain-16', cpuPerRequest, 'keys');
  return {
    title: 'CPU per request with many keys, to that with few',
    system,
    is: 'at most',
    bound: NOT_MEASURABLE,
    boundUnit: '×',
    reached: to / from,
    measured: to,
    peer: Number.NaN,
    unit: 'µs',
  };
}

/** Undefined where it was not measured. */
export function isReached({ is, reached, bound }: Target): boolean | undefined {
  if (!Number.isFinite(reached)) return undefined;
  return is === 'at most' ? reached <= bound : reached >= bound;
}
