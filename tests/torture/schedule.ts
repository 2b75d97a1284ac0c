/** What is broken when: a list that follows from the seed alone. Every fault in it ends. */
import type { LinkName } from '../cluster/cluster-process.ts';
import { type Random, seededRandom } from './seeded-random.ts';

export const SERVERS = ['nats', 'redis', 'postgres'] as const;
export type ServerId = (typeof SERVERS)[number];

/** The processes that can be broken, and what each of them connects to. */
export const TARGETS: Readonly<Record<string, readonly LinkName[]>> = {
  'ingress-1': ['nats'],
  'ingress-2': ['nats'],
  'provider-worker-1': ['nats', 'provider'],
  'provider-worker-2': ['nats', 'provider'],
  'rate-limiter-1': ['nats', 'redis'],
  'rate-limiter-2': ['nats', 'redis'],
  'cache-1': ['nats', 'redis'],
  'audit-writer-1': ['nats', 'postgres'],
  'audit-writer-2': ['nats', 'postgres'],
  nats: [],
  redis: [],
  postgres: [],
};

/** `latency`, `reset` and `black-hole` are faults of a link, `full` is one of JetStream. */
export type FaultKind =
  | 'kill'
  | 'pause'
  | 'terminate'
  | 'latency'
  | 'reset'
  | 'black-hole'
  | 'full';

export interface PlannedFault {
  readonly kind: FaultKind;
  /** Id of a process or server. */
  readonly target: string;
  readonly link?: LinkName;
  /** Since the begin of the run. */
  readonly atMs: number;
  /** How long the target is down, paused or disturbed. */
  readonly forMs: number;
}

export interface ScheduleOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Faults at a time, the time to come back included. */
  readonly atOnceMax: number;
  /** Mean time from one fault to the next. */
  readonly gapMs: number;
}

const QUIET_START_MS = 2_000;
const QUIET_END_MS = 3_000;
/** A process starts and gets ready in about this time; it is not hit again before. */
const RETURN_MS = 4_000;
const LATENCY_MS_MAX = 400;

const DURATIONS: Readonly<Record<FaultKind, readonly [fromMs: number, toMs: number]>> = {
  kill: [100, 3_000],
  pause: [200, 6_000],
  terminate: [100, 2_000],
  latency: [1_000, 5_000],
  reset: [1, 1],
  'black-hole': [500, 6_000],
  full: [500, 4_000],
};

/** What is done to a link while it is slow. */
export function latencyOf(fault: PlannedFault): number {
  return seededRandom('latency', fault.atMs).integer(20, LATENCY_MS_MAX);
}

/**
 * The faults of a run in order. Each target is killed once before anything else is done to it twice,
 * so that a run of some minutes has killed all of them.
 */
export function faultSchedule(options: ScheduleOptions): PlannedFault[] {
  const random = seededRandom(options.seed, 'schedule');
  const untouched = shuffled(random, Object.keys(TARGETS));
  const busyUntil = new Map<string, number>();
  const faults: PlannedFault[] = [];
  const lastAtMs = options.durationMs - QUIET_END_MS;
  let atMs = QUIET_START_MS;
  for (;;) {
    atMs += Math.ceil(random.exponential(options.gapMs));
    if (atMs >= lastAtMs) return faults;
    const busy = [...busyUntil].filter(([, until]) => until > atMs);
    if (busy.length >= options.atOnceMax) continue;
    const isFree = (target: string) => !busy.some(([name]) => name === target);
    const fresh = random.chance(0.6) ? untouched.find(isFree) : undefined;
    const fault = fresh === undefined ? anyFault(random, isFree) : killOf(random, fresh);
    if (fresh !== undefined) untouched.splice(untouched.indexOf(fresh), 1);
    faults.push({ ...fault, atMs });
    busyUntil.set(fault.target, atMs + fault.forMs + RETURN_MS);
  }
}

function killOf(random: Random, target: string): Omit<PlannedFault, 'atMs'> {
  return { kind: 'kill', target, forMs: random.integer(...DURATIONS.kill) };
}

function anyFault(random: Random, isFree: (target: string) => boolean): Omit<PlannedFault, 'atMs'> {
  const target = random.pick(Object.keys(TARGETS).filter(isFree));
  const links = TARGETS[target] ?? [];
  const kind = random.weighted<FaultKind>([
    [4, 'kill'],
    [3, 'pause'],
    [2, 'terminate'],
    ...(links.length === 0
      ? []
      : ([
          [1, 'latency'],
          [2, 'reset'],
          [1.5, 'black-hole'],
        ] as const)),
    ...(target === 'nats' ? ([[2, 'full']] as const) : []),
  ]);
  const isOfLink = ['latency', 'reset', 'black-hole'].includes(kind);
  const forMs = random.integer(...DURATIONS[kind]);
  return { kind, target, forMs, ...(isOfLink && { link: random.pick(links) }) };
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, order: random.next() }))
    .sort((left, right) => left.order - right.order)
    .map(({ item }) => item);
}

/** One line for each fault. */
export function scheduleText(faults: readonly PlannedFault[]): string {
  return faults
    .map(({ atMs, kind, target, link, forMs }) => {
      const where = link === undefined ? target : `${target} ↔ ${link}`;
      return `${(atMs / 1000).toFixed(1).padStart(7)} s  ${kind.padEnd(10)}  ${where}, ${forMs} ms`;
    })
    .join('\n');
}
