/** What a seed means: who asks for what and when, and what goes wrong. */
import type { Random } from '../torture/seeded-random.ts';

export interface PlannedRequest {
  readonly atMs: number;
  readonly ingress: number;
  readonly key: number;
  readonly stream: boolean;
  readonly leavesAfterMs: number | undefined;
  readonly slownessMs: number;
}

export type FaultKind =
  | 'kill-ingress'
  | 'kill-worker'
  | 'kill-limiter'
  | 'kill-writer'
  | 'pause-ingress'
  | 'pause-worker'
  | 'pause-writer'
  | 'cut-ingress'
  | 'cut-worker'
  | 'kill-nats'
  | 'pause-nats'
  | 'full-store'
  | 'limiter-away';

export interface PlannedFault {
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: number;
  /** Which of the machines of the service. */
  readonly number: number;
}

export interface Schedule {
  readonly requests: readonly PlannedRequest[];
  readonly faults: readonly PlannedFault[];
  readonly isHarsh: boolean;
  /** Share of provider calls that go well. */
  readonly health: number;
  readonly totalMs: number;
  readonly skewsMs: readonly number[];
  readonly clientLeaves: 'cancel' | 'finish';
}

/** Faults begin, and requests come, within this time. */
export const BUSY_MS = 6_000;
const REQUESTS_MAX = 4;
const FAULTS_MAX = 4;
const FAULT_MS_MAX = 9_000;
export const SKEW_MAX_MS = 80;

const FAULTS: readonly (readonly [number, FaultKind])[] = [
  [3, 'kill-ingress'],
  [4, 'kill-worker'],
  [1, 'kill-limiter'],
  [2, 'kill-writer'],
  [2, 'pause-ingress'],
  [4, 'pause-worker'],
  [1, 'pause-writer'],
  [3, 'cut-ingress'],
  [4, 'cut-worker'],
  [2, 'kill-nats'],
  [3, 'pause-nats'],
  [2, 'full-store'],
  [1, 'limiter-away'],
];

export function planSchedule(seed: number, random: Random): Schedule {
  const count = random.integer(2, REQUESTS_MAX);
  // Half of them close together, so that they run at once.
  const rush = random.next() * BUSY_MS;
  const requests = Array.from({ length: count }, () => ({
    atMs: random.chance(0.5) ? rush + random.next() * 50 : random.next() * BUSY_MS,
    ingress: random.integer(0, 1),
    key: random.integer(0, 2),
    stream: random.chance(0.75),
    leavesAfterMs: random.chance(0.15) ? random.exponential(300) : undefined,
    slownessMs: random.chance(0.1) ? random.next() * 300 : 0,
  }));
  const faults = Array.from({ length: random.integer(0, FAULTS_MAX) }, () => ({
    kind: random.weighted(FAULTS),
    // Most where requests run.
    atMs: random.chance(0.6) ? rush + random.next() * 800 : random.next() * BUSY_MS,
    forMs: random.exponential(FAULT_MS_MAX / 4),
    number: random.integer(0, 1),
  }));
  return {
    requests,
    faults,
    isHarsh: seed % 4 === 3,
    health: random.pick([1, 0.8, 0.5]),
    totalMs: random.pick([2_000, 6_000, 15_000]),
    skewsMs: Array.from({ length: 4 }, () =>
      random.chance(0.7) ? 0 : random.integer(-SKEW_MAX_MS, SKEW_MAX_MS),
    ),
    clientLeaves: random.chance(0.8) ? 'cancel' : 'finish',
  };
}
